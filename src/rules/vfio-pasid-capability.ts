import { logRule } from './rule.ts';

export const vfioPasidCapability = logRule({
  id: 'vfio-pasid-capability',
  title: 'There is no room for the device’s PASID capability',
  why: 'The host hides a device’s PASID capability, and QEMU makes one up where the guest is to use PASIDs. x-vpasid-cap-offset says where in the device’s configuration space it goes.',
  layer: 'qemu',
  effect: 'start-failure',
  wordings: ['vfio: Placing PASID capability at offset {offset} failed'],
  liftedBy: ['viommu-pasid-off', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['11.1.3 binary'] },
});
