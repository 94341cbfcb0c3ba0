import { allOf, is, not } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioCprReboot = deviceRule({
  id: 'vfio-cpr-reboot',
  title: 'cpr-reboot takes VFIO devices of a suspended guest only',
  why: 'In mode cpr-reboot the guest’s drivers save their devices’ state themselves, which they do when the guest is suspended to RAM. QEMU adds no blocker for it, and fails the migration of a guest that runs.',
  layer: 'qemu',
  behaviour: 'cprModes',
  effect: 'migration-failure',
  fails: 'tracking-start',
  cases: {
    reboot: {
      message: 'VFIO device only supports cpr-reboot for runstate suspended',
      once: true,
      holds: ({ migration, vm }) => allOf(is(migration.mode, 'cpr-reboot'), () => not(vm.isSuspended)),
    },
    transfer: {
      message: 'VFIO device only supports cpr-reboot for runstate suspended',
      once: true,
      holds: ({ migration, vm }) => allOf(is(migration.mode, 'cpr-reboot'), () => not(vm.isSuspended)),
    },
  },
  liftedBy: ['normal-mode', 'suspend-guest', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['hw/vfio/cpr.c, 10.2.2', '11.1.3 run'] },
});
