import { all, is, no } from '../descriptor/fact.ts';
import { type Case, type DeviceHere, deviceRule } from './rule.ts';
import { behindViommu } from './viommu.ts';

/** An mdev has no host IOMMU to nest in, and is not asked for one. */
const isLegacy: Case<DeviceHere>['holds'] = (here) =>
  here.device.type === 'mdev'
    ? no
    : behindViommu(here, ['intel'], ({ firstStage }) => all(firstStage, is(here.device.backend, 'legacy')));

export const viommuFirstStage = deviceRule({
  id: 'viommu-first-stage',
  title: 'A vIOMMU with first-stage translation does not take the device',
  why: 'First-stage tables of the guest are walked by the host IOMMU, nested in QEMU’s own, which only iommufd can set up. QEMUs before that take no VFIO device at all.',
  layer: 'qemu',
  behaviour: 'firstStageDevices',
  effect: 'start-failure',
  behindViommu: true,
  cases: {
    'refused-flts': {
      message: 'Failed to set vIOMMU: host device is uncompatible with stage-1 translation',
      holds: (here) => behindViommu(here, ['intel'], ({ firstStage }) => firstStage),
    },
    'iommufd-flts': { message: 'Failed to set vIOMMU: Need IOMMUFD backend when x-flts=on', holds: isLegacy },
    'iommufd-fsts': { message: 'Failed to set vIOMMU: Need IOMMUFD backend when fsts=on', holds: isLegacy },
  },
  wordings: ['host device is uncompatible with stage-1 translation', 'host IOMMU cannot be checked!'],
  liftedBy: ['iommufd', 'viommu-first-stage-off', 'bypass-viommu', 'remove-viommu', 'other-qemu'],
  source: { confidence: 'confirmed', read: ['10.0.2', '10.2.2', 'b0163f43195a, 11.0', '11.1.3 run'] },
});
