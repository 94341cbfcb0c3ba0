import { any, map, no } from '../descriptor/fact.ts';
import type { Transition } from '../descriptor/transitions.ts';
import { deviceRule } from './rule.ts';

export const vfioSectionUnmap = deviceRule({
  id: 'vfio-section-unmap',
  title: 'RAM stays mapped when the guest leaves its identity domain',
  why: 'When the guest leaves its identity domain, QEMU unmaps each section of RAM with one dirty bitmap, and refuses a section of more than type1’s limit. The error is printed only, the section stays mapped, and mapping it again later ends QEMU.',
  layer: 'qemu',
  behaviour: 'regionDelBitmap',
  effect: 'data-loss',
  behindViommu: true,
  trigger: 'domain-switch',
  cases: {
    'ram-at-iova': {
      message: null,
      holds: ({ container }) => any(...container.transitions.map((each) => leavesSections(each))),
    },
    ram: {
      message: null,
      holds: ({ container }) => any(...container.transitions.map((each) => leavesSections(each))),
    },
  },
  wordings: ['vfio: DMA mapping failed, unable to continue'],
  liftedBy: ['less-memory', 'iommufd', 'bypass-viommu', 'remove-viommu', 'unplug-for-migration'],
  source: { confidence: 'inferred', read: ['vfio_listener_region_del, 11.0 patches and 11.1.3 binary'] },
});

const leavesSections = ({ from, cost }: Transition) =>
  from === 'identity' ? map(cost, ({ figures }) => figures.leftMappedBytes > 0n) : no;
