import { vmRule } from './rule.ts';

export const dumpInProgress = vmRule({
  id: 'dump-in-progress',
  title: 'The guest’s memory is being dumped',
  why: 'A dump in the background reads guest memory that a migration would hand away. The blocker goes when the dump ends, and -only-migratable does not mind it.',
  layer: 'qemu',
  effect: 'blocker',
  whileRunning: true,
  always: {
    message: 'Live migration disabled: dump-guest-memory in progress',
    holds: ({ vm }) => vm.isDumping,
  },
  liftedBy: ['finish-dump'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 binary'] },
});
