import { logRule } from './rule.ts';

export const migrationState = logRule({
  id: 'migration-state',
  title: 'The VM is not in a state to be migrated from',
  why: 'Another migration runs, or the guest waits for one that comes in, or has gone with one already. What state a VM is in when migrate is called no descriptor tells in advance.',
  layer: 'qemu',
  effect: 'migration-failure',
  fails: 'migrate-command',
  wordings: [
    "There's a migration process in progress",
    'Guest is waiting for an incoming migration',
    "Can't migrate the vm that was paused due to previous migration",
  ],
  liftedBy: ['restart-vm'],
  source: { confidence: 'confirmed', read: ['migrate_prepare, 10.2.2'] },
});
