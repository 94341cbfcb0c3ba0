import { allOf, is } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioRamfb = deviceRule({
  id: 'vfio-ramfb',
  title: 'The framebuffer is to be migrated, and the device is not',
  why: 'x-ramfb-migrate=on asks to migrate the boot framebuffer of a display device whose own migration is off. QEMU refuses that combination when it realizes the device.',
  layer: 'qemu',
  behaviour: 'ramfbMigrate',
  effect: 'start-failure',
  cases: {
    present: {
      message: 'x-ramfb-migrate requires enable-migration',
      holds: ({ device }) => allOf(is(device.ramfbMigrate, 'on'), () => is(device.enableMigration, 'off')),
    },
  },
  liftedBy: ['ramfb-migrate-off', 'enable-migration'],
  source: { confidence: 'confirmed', read: ['10.0.2', '10.2.2', '11.1.3 binary'] },
});
