import { vmRule } from './rule.ts';

export const memoryPoisoned = vmRule({
  id: 'memory-poisoned',
  title: 'Guest memory is broken',
  why: 'Pages of the guest that the host’s hardware found broken cannot be read, and another host could not know that they are. They are the guest’s until it restarts.',
  layer: 'qemu',
  effect: 'migration-failure',
  fails: 'migrate-command',
  always: {
    message: "Can't migrate this vm with hardware poisoned memory, please reboot the vm and try again",
    holds: ({ vm }) => vm.hasPoisonedMemory,
  },
  liftedBy: ['restart-vm'],
  source: { confidence: 'confirmed', read: ['migrate_prepare, 10.2.2'] },
});
