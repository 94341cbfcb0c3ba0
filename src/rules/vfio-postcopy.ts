import { deviceRule } from './rule.ts';
import { savesWith } from './vfio-save-prepare.ts';

export const vfioPostcopy = deviceRule({
  id: 'vfio-postcopy',
  title: 'Postcopy is asked for, and VFIO devices cannot be left behind',
  why: 'Postcopy lets the guest run on the destination before its memory is there, and a device that writes by DMA cannot wait for a page. Setting the capability is harmless; migrate fails with it set, whatever enable-migration says.',
  layer: 'qemu',
  behaviour: 'saveConflicts',
  effect: 'migration-failure',
  fails: 'migrate-command',
  cases: {
    refused: {
      message: '{device}: VFIO migration is not supported with postcopy migration',
      once: true,
      holds: savesWith('postcopy-ram'),
    },
  },
  liftedBy: ['capability-off', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['vfio_save_prepare, 615379764ae6, 8.2', '10.2.2', '11.1.3 run'] },
});
