import { any, is, not, choose, no } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioProtocolV1 = deviceRule({
  id: 'vfio-protocol-v1',
  title: 'VFIO migration is not enabled, or not in this QEMU’s protocol',
  why: 'Here VFIO migration is still experimental: off unless asked for, and one text stands for every reason against it. The oldest QEMU speaks protocol v1 only, which no current driver offers, and wants the container to track dirty pages.',
  layer: 'qemu',
  behaviour: 'initMessages',
  effect: 'blocker',
  atDestination: 'migration-failure',
  cases: {
    generic: {
      message: "VFIO device doesn't support migration",
      holds: ({ device, container, host }) =>
        any(
          not(is(device.enableMigration, 'on')),
          choose(host.qemu.trackingDemand, (demand) =>
            demand === 'container' ? not(container.tracksDirtyPages(device)) : no,
          ),
          not(device.initialisesMigration),
        ),
    },
  },
  wordings: ['{device}: Migration disabled'],
  liftedBy: ['enable-migration', 'other-qemu', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['vfio_migration_probe, 7.2', '31bcbbb5be04, 8.0'] },
});
