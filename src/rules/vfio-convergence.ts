import { isKnownToBe, map, no } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';

export const vfioConvergence = vmRule({
  id: 'vfio-convergence',
  title: 'The migration cannot converge',
  why: 'Type1 calls every page dirty that a vfio-pci device can write to, on every pass, so that what is left to send never becomes less than guest memory. The guest would have to stop for as long as all of that takes to send, which is longer than it may.',
  layer: 'kernel',
  effect: 'no-convergence',
  always: {
    message: null,
    // Without a bandwidth there is nothing to say, and finding that out costs a simulation.
    holds: ({ migration, convergence }) =>
      isKnownToBe(migration.bandwidth, null) ? no : map(convergence(), (its) => its?.converges === false),
  },
  liftedBy: ['more-bandwidth', 'longer-downtime', 'iommufd', 'other-driver', 'unplug-for-migration'],
  source: {
    confidence: 'confirmed',
    read: ['update_user_bitmap, Linux 5.15 to 7.1, measured', 'migration_iteration_run, 10.2.2'],
  },
});
