import { behindPciBridge } from '../descriptor/device.ts';
import { type Case, type DeviceHere, deviceRule } from './rule.ts';
import { nested } from './viommu.ts';

const holds: Case<DeviceHere>['holds'] = (here) => nested(here, () => behindPciBridge(here.device));

export const viommuFirstStageBridge = deviceRule({
  id: 'viommu-first-stage-bridge',
  title: 'First-stage translation and a conventional PCI bridge before the device',
  why: 'A conventional bridge makes the requests of all devices behind it look like one device’s, so that their first-stage tables cannot be told apart. QEMU refuses the device.',
  layer: 'qemu',
  behaviour: 'firstStageDevices',
  effect: 'start-failure',
  behindViommu: true,
  cases: {
    'iommufd-flts': {
      message: 'Failed to set vIOMMU: Host device downstream to a PCI bridge is unsupported when x-flts=on',
      holds,
    },
    'iommufd-fsts': {
      message: 'Failed to set vIOMMU: Host device downstream to a PCI bridge is unsupported when fsts=on',
      holds,
    },
  },
  liftedBy: ['viommu-first-stage-off', 'bypass-viommu', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['cba6f4a9b54e, 11.0', '11.1.3 binary'] },
});
