import { type Case, type DeviceHere, deviceRule } from './rule.ts';
import { nested } from './viommu.ts';

const each: Case<DeviceHere> = {
  message: null,
  holds: (here) => nested(here, () => here.host.iommuErratum772415),
};

export const viommuFirstStageErratum = deviceRule({
  id: 'viommu-first-stage-erratum',
  title: 'An erratum of the host IOMMU keeps read-only memory from the device',
  why: 'Where the host IOMMU has Intel’s erratum 772415, QEMU does not map read-only memory for a device whose first-stage tables are nested. The device cannot read ROMs, and a guest that uses the vIOMMU without scalable mode is not supported; QEMU says nothing.',
  layer: 'qemu',
  behaviour: 'firstStageDevices',
  effect: 'warning',
  behindViommu: true,
  cases: { 'iommufd-flts': each, 'iommufd-fsts': each },
  liftedBy: ['viommu-first-stage-off', 'bypass-viommu', 'remove-viommu', 'other-destination'],
  source: { confidence: 'confirmed', read: ['68d3a2a24d7c, 11.0'] },
});
