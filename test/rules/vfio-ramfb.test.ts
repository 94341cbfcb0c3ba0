import { testRule } from './rule-tester.ts';

const given = { '/vm/vfio/0/ramfbMigrate': 'on', '/vm/vfio/0/enableMigration': 'off' };

testRule('vfio-ramfb', {
  fires: [
    {
      name: 'on, and the device is off',
      given,
      effect: 'start-failure',
      says: 'vfio 0000:3b:00.1: x-ramfb-migrate requires enable-migration',
    },
  ],
  clear: [
    { name: 'the device is auto', given: { ...given, '/vm/vfio/0/enableMigration': 'auto' } },
    { name: 'auto follows the device', given: { ...given, '/vm/vfio/0/ramfbMigrate': 'auto' } },
    { name: 'off', given: { ...given, '/vm/vfio/0/ramfbMigrate': undefined } },
    { name: 'not seen in 9.2', given: { ...given, '/source/qemu': '9.2' } },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...given, '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
