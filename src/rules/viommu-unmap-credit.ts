import { all, is } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const viommuUnmapCredit = deviceRule({
  id: 'viommu-unmap-credit',
  title: 'Dirty bits of what the guest unmaps go to the wrong page',
  why: 'When the guest unmaps a page behind its vIOMMU, QEMU credits the page’s dirty bits to the address in the page table entry, which the guest has just cleared: to address 0. virtio-iommu and amd-iommu always say 0. What the device wrote there since the last pass is not sent again.',
  layer: 'qemu',
  effect: 'data-loss',
  behindViommu: true,
  trigger: 'guest-unmap',
  always: {
    message: null,
    holds: ({ device, container, vm }) =>
      vm.viommu
        ? all(
            device.behindViommu,
            is(vm.viommu.model, 'intel', 'virtio', 'amd'),
            is(container.tracker, 'type1', 'iommu', 'device'),
          )
        : device.behindViommu,
  },
  liftedBy: ['bypass-viommu', 'remove-viommu', 'unplug-for-migration'],
  source: {
    confidence: 'inferred',
    read: ['vtd_page_walk_level, 10.2.2 and 11.1.3 binary', 'virtio_iommu_notify_unmap, 11.1.3 binary'],
  },
});
