import { all, any, isFalse, isTrue } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';

export const migrationMappedRam = vmRule({
  id: 'migration-mapped-ram',
  title: 'What is asked for does not go with mapped-ram',
  why: 'With mapped-ram every page has its place in a file, where neither a TLS stream nor compressed pages can stand. migrate refuses; the capability alone is harmless.',
  layer: 'qemu',
  effect: 'migration-failure',
  fails: 'migrate-command',
  always: {
    message: 'Cannot use {feature} with mapped-ram',
    parameters: ({ migration }) => ({ feature: isTrue(migration.usesTls) ? 'TLS' : 'compression' }),
    holds: ({ migration }) => {
      const isMapped = migration.has('mapped-ram');
      return isFalse(isMapped) ? isMapped : all(isMapped, any(migration.usesTls, migration.compressesMultifd));
    },
  },
  liftedBy: ['capability-off', 'uncompressed'],
  source: { confidence: 'confirmed', read: ['migrate_prepare, 10.2.2'] },
});
