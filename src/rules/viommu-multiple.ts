import { all, is, not } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';
import { hasAnotherViommu } from './viommu.ts';

export const viommuMultiple = vmRule({
  id: 'viommu-multiple',
  title: 'The VM has more than one vIOMMU',
  why: 'A PCI device asks one vIOMMU for its address space, and an x86 machine has no way to say which. QEMU refuses the second when it realizes it.',
  layer: 'qemu',
  effect: 'start-failure',
  always: {
    message: 'QEMU does not support multiple vIOMMUs for x86 yet.',
    holds: ({ vm, others }) => all(hasAnotherViommu(vm, others), not(is(vm.board, 'virt'))),
  },
  liftedBy: ['remove-viommu'],
  source: { confidence: 'confirmed', read: ['7.2.22, 10.0.2 and 11.1.3 run'] },
});
