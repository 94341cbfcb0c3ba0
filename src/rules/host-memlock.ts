import { map, no, type Truth } from '../descriptor/fact.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import { vmRule } from './rule.ts';

/** At the least that it locks: a guest may map the same memory many times, and the bound of that refuses nobody. */
const exceeds = ({ host: { memlockLimit }, needs }: Scenario): Truth =>
  memlockLimit === null
    ? no
    : map(needs(), (its) => its !== null && (its.atLeast ?? its.figures).memlockBytes > memlockLimit);

export const hostMemlock = vmRule({
  id: 'host-memlock',
  title: 'QEMU may not lock as much memory as VFIO needs',
  why: 'Memory that a device can write to must not move, so that VFIO locks what it maps: guest memory once for each container, counted against RLIMIT_MEMLOCK of the process (type1) or of its user (iommufd). CAP_IPC_LOCK lifts the limit for type1 only.',
  layer: 'kernel',
  effect: 'start-failure',
  always: {
    message: 'vfio_container_dma_map({container}, {iova}, {size}, {vaddr}) = -12 (Cannot allocate memory)',
    parameters: () => ({ container: '0x…', iova: '0x…', size: '0x…', vaddr: '0x…' }),
    holds: exceeds,
  },
  wordings: ['vfio_dma_map({container}, {iova}, {size}, {vaddr}) = -12 (Cannot allocate memory)'],
  liftedBy: ['raise-memlock', 'less-memory', 'fewer-devices', 'bypass-viommu'],
  source: { confidence: 'inferred', read: ['Linux 6.1 to 7.3 type1 and iommufd, measured'] },
});
