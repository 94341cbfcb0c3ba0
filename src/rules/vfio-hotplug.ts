import { yes } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';

export const vfioHotplug = vmRule({
  id: 'vfio-hotplug',
  title: 'Devices cannot be plugged or unplugged while migration runs',
  why: 'QEMU refuses device_add and device_del until the migration has ended, but for failover primaries. The migration itself goes on.',
  layer: 'qemu',
  effect: 'warning',
  trigger: 'hotplug',
  always: { message: null, holds: () => yes },
  wordings: ['device_add not allowed while migrating', 'device_del not allowed while migrating'],
  liftedBy: ['unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['system/qdev-monitor.c, 10.2.2'] },
});
