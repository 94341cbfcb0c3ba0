import { any, map } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const viommuDirtyLost = deviceRule({
  id: 'viommu-dirty-lost',
  title: 'A guest’s domain switch loses dirty pages',
  why: 'When the guest moves its device to another domain, QEMU takes mappings away without asking which pages are dirty, or credits the answer to other pages: it takes guest physical addresses for offsets into RAM, which differ above 4 GiB. What the device wrote since the last pass is not sent again.',
  layer: 'qemu',
  effect: 'data-loss',
  trigger: 'domain-switch',
  always: {
    message: null,
    holds: ({ container }) =>
      any(...container.transitions.map(({ cost }) => map(cost, ({ figures }) => figures.dirtyBytesLost > 0n))),
  },
  liftedBy: ['bypass-viommu', 'remove-viommu', 'other-qemu', 'unplug-for-migration'],
  source: {
    confidence: 'inferred',
    read: ['vfio_legacy_dma_unmap_get_dirty_bitmap, 11.1.3 binary', 'vfio_listener_region_del, 10.2.2 and 11.1.3 binary'],
  },
});
