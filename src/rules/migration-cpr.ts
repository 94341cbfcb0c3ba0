import { all, any, is, isFalse, isTrue } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';

/** Capabilities that no CPR mode takes, and what QEMU calls them, in the order in which it looks for them. */
const conflicts = [
  ['postcopy-ram', 'postcopy'],
  ['background-snapshot', 'background snapshot'],
  ['x-colo', 'COLO'],
] as const;

export const migrationCpr = vmRule({
  id: 'migration-cpr',
  title: 'A capability is set that does not go with CPR',
  why: 'CPR leaves guest memory where it is and hands it to a new QEMU, so that there is nothing for postcopy, a background snapshot or COLO to do. migrate refuses; the capability alone is harmless.',
  layer: 'qemu',
  effect: 'migration-failure',
  fails: 'migrate-command',
  always: {
    message: 'Cannot use {feature} with CPR',
    parameters: ({ migration }) => ({
      feature: conflicts.find(([capability]) => isTrue(migration.has(capability)))?.[1],
    }),
    holds: ({ migration }) => {
      const isCpr = is(migration.mode, 'cpr-reboot', 'cpr-transfer', 'cpr-exec');
      return isFalse(isCpr) ? isCpr : all(isCpr, any(...conflicts.map(([capability]) => migration.has(capability))));
    },
  },
  liftedBy: ['capability-off', 'normal-mode'],
  source: { confidence: 'confirmed', read: ['migrate_prepare, 10.2.2'] },
});
