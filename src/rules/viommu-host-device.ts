import { logRule } from './rule.ts';

export const viommuHostDevice = logRule({
  id: 'viommu-host-device',
  title: 'The vIOMMU has a host device at this place already',
  why: 'A vIOMMU keeps what it knows of a host IOMMU by the guest’s PCI address, once each. No command line that a descriptor tells of comes to it.',
  layer: 'qemu',
  effect: 'start-failure',
  wordings: ['Host IOMMU device already exist'],
  liftedBy: ['remove-viommu'],
  source: { confidence: 'confirmed', read: ['vtd_dev_set_iommu_device, 10.0.2, 10.2.2', '11.1.3 binary'] },
});
