import { all, not } from '../descriptor/fact.ts';
import { type Case, type DeviceHere, deviceRule } from './rule.ts';
import { nested } from './viommu.ts';

const each: Case<DeviceHere> = {
  message: 'Failed to set vIOMMU: First stage 1GB large page is unsupported by host IOMMU',
  holds: (here) => nested(here, ({ firstStage1g }) => all(firstStage1g, not(here.host.iommuFirstStage1g))),
};

export const viommuFirstStage1g = deviceRule({
  id: 'viommu-first-stage-1g',
  title: 'The host IOMMU has no first-stage pages of 1 GiB',
  why: 'The vIOMMU offers the guest pages of 1 GiB in first-stage tables unless told not to (fs1gp), and the host IOMMU that walks them must know such pages.',
  layer: 'qemu',
  behaviour: 'firstStageDevices',
  effect: 'start-failure',
  behindViommu: true,
  cases: { 'iommufd-flts': each, 'iommufd-fsts': each },
  liftedBy: ['viommu-first-stage-off', 'bypass-viommu', 'remove-viommu', 'other-destination'],
  source: { confidence: 'confirmed', read: ['cba6f4a9b54e, 11.0', '11.1.3 binary'] },
});
