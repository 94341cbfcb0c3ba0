import { logRule } from './rule.ts';

export const viommuGranule = logRule({
  id: 'viommu-granule',
  title: 'The page sizes of virtio-iommu and of the host do not go together',
  why: 'The smallest page that virtio-iommu offers the guest must be one that the host IOMMU maps, and it cannot change once the guest has read it. Which sizes the host IOMMU has QEMU learns as it plugs the device in.',
  layer: 'qemu',
  effect: 'start-failure',
  wordings: [
    'virtio-iommu reports a page size mask {mask} incompatible with currently supported mask {supported}',
    'virtio-iommu does not support frozen granule {granule}',
  ],
  liftedBy: ['bypass-viommu', 'remove-viommu', 'other-destination'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 binary'] },
});
