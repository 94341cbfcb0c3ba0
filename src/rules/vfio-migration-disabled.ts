import { is } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioMigrationDisabled = deviceRule({
  id: 'vfio-migration-disabled',
  title: 'Migration is switched off for the device',
  why: "enable-migration=off is the operator's own word that this device is not to be migrated. The property cannot be set once the device is realized.",
  layer: 'qemu',
  behaviour: 'enableMigration',
  effect: 'blocker',
  atDestination: 'migration-failure',
  cases: {
    'on-off-auto': {
      message: '{device}: Migration is disabled for VFIO device',
      holds: ({ device }) => is(device.enableMigration, 'off'),
    },
  },
  liftedBy: ['enable-migration', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['d4a2af747d5a, 8.1', '10.0.2', '10.2.2', '11.1.3 binary'] },
});
