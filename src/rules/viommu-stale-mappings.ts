import { any, map, no, type Truth } from '../descriptor/fact.ts';
import type { Transition } from '../descriptor/transitions.ts';
import { deviceRule } from './rule.ts';
import { ofViommu } from './viommu.ts';

const leavesMappings = ({ from, cost }: Transition): Truth =>
  from === 'dma' ? map(cost, ({ figures }) => figures.leftMappedBytes > 0n) : no;

export const viommuStaleMappings = deviceRule({
  id: 'viommu-stale-mappings',
  title: 'Mappings outlive the guest’s DMA domain',
  why: 'The loop that unmaps only what is mapped takes the end of the range for its size, and so finds nothing at or above 0xfef00000: what the guest maps there stays mapped in the host, and its dirty bits are never read if the guest goes on to an identity domain. QEMU says nothing.',
  layer: 'qemu',
  behaviour: 'domainUnmap',
  effect: 'data-loss',
  behindViommu: true,
  trigger: 'domain-switch',
  cases: {
    'tracked-end-as-size': {
      message: null,
      holds: ({ container, vm }) => ofViommu(vm, ['intel'], () => any(...container.transitions.map(leavesMappings))),
    },
  },
  wordings: ['vfio_container_dma_map({container}, {iova}, {size}, {vaddr}) = -17 (File exists)'],
  liftedBy: ['bypass-viommu', 'remove-viommu', 'other-qemu'],
  source: {
    confidence: 'confirmed',
    read: ['vtd_address_space_unmap_in_dirty_tracking, 11.0 patch compiled', '11.1.3 run, seven migrations'],
  },
});
