import { is, not } from '../descriptor/fact.ts';
import { type Case, type DeviceHere, deviceRule } from './rule.ts';
import { nested } from './viommu.ts';

const each: Case<DeviceHere> = {
  message: 'Failed to set vIOMMU: Incompatible host platform IOMMU type {type}',
  // Which number the kernel gives another vendor's IOMMU is not known.
  parameters: () => ({ type: '…' }),
  holds: (here) => nested(here, () => not(is(here.host.iommuVendor, 'intel'))),
};

export const viommuFirstStagePlatform = deviceRule({
  id: 'viommu-first-stage-platform',
  title: 'The host IOMMU cannot walk first-stage tables of Intel’s',
  why: 'The guest builds its first-stage tables as VT-d has them, and the host IOMMU walks those very tables. Only another VT-d can.',
  layer: 'qemu',
  behaviour: 'firstStageDevices',
  effect: 'start-failure',
  behindViommu: true,
  cases: { 'iommufd-flts': each, 'iommufd-fsts': each },
  // A VT-d that cannot nest fails earlier, in the kernel.
  wordings: ['Failed to allocate hwpt: {strerror}'],
  liftedBy: ['viommu-first-stage-off', 'bypass-viommu', 'remove-viommu', 'other-destination'],
  source: { confidence: 'confirmed', read: ['cba6f4a9b54e, 11.0', '11.1.3 binary'] },
});
