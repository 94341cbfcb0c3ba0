import { deviceRule } from './rule.ts';
import { savesWith } from './vfio-save-prepare.ts';

export const vfioBackgroundSnapshot = deviceRule({
  id: 'vfio-background-snapshot',
  title: 'A background snapshot is asked for, which VFIO devices cannot take part in',
  why: 'A background snapshot write-protects memory and lets the guest run on, and a device’s DMA passes that protection by. As with postcopy, migrate fails while the capability is set.',
  layer: 'qemu',
  behaviour: 'saveConflicts',
  effect: 'migration-failure',
  fails: 'migrate-command',
  cases: {
    refused: {
      message: '{device}: VFIO migration is not supported with background snapshot',
      once: true,
      holds: savesWith('background-snapshot'),
    },
  },
  liftedBy: ['capability-off', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['vfio_save_prepare, 615379764ae6, 8.2', '10.2.2', '11.1.3 binary'] },
});
