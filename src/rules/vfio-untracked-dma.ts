import { deviceRule } from './rule.ts';

export const vfioUntrackedDma = deviceRule({
  id: 'vfio-untracked-dma',
  title: 'What the device writes during migration is lost',
  why: 'With enable-migration=on and nothing that tracks dirty pages, newer QEMUs never count tracking as started and read no bitmap, so that what the device writes while memory is copied is not sent again. Earlier QEMUs marked all of it dirty instead. QEMU says nothing after the warning at start.',
  layer: 'qemu',
  behaviour: 'bitmapGate',
  effect: 'data-loss',
  cases: {
    'tracking-started': { message: null, holds: ({ device, container }) => container.leavesUntracked(device) },
  },
  liftedBy: ['iommufd', 'other-driver', 'other-destination', 'unplug-for-migration'],
  source: { confidence: 'inferred', read: ['vfio_listener_log_sync, 10.2.2', '11.1.3 run: no tracking is started'] },
});
