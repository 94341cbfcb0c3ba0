import { all, is } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';
import { hasAnotherViommu } from './viommu.ts';

export const viommuMultipleVirt = vmRule({
  id: 'viommu-multiple-virt',
  title: 'The virt machine has more than one vIOMMU',
  why: 'The machine tells its guest about one vIOMMU, and refuses a second when it is plugged.',
  layer: 'qemu',
  effect: 'start-failure',
  always: {
    message: 'virt machine does not support multiple IOMMUs',
    holds: ({ vm, others }) => all(hasAnotherViommu(vm, others), is(vm.board, 'virt')),
  },
  liftedBy: ['remove-viommu'],
  source: { confidence: 'confirmed', read: ['11.1.3 run'] },
});
