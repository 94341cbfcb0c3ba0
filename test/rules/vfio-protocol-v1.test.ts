import { testRule } from './rule-tester.ts';

const says = "VFIO device doesn't support migration";

testRule('vfio-protocol-v1', {
  fires: [
    { name: '7.2 by default', given: { '/source/qemu': '7.2.22' }, effect: 'blocker', says },
    {
      name: '7.2, enabled, but the driver speaks v2',
      given: { '/source/qemu': '7.2', '/vm/vfio/0/enableMigration': 'on' },
      effect: 'blocker',
      says,
    },
    {
      name: '7.2, v1, but the container tracks nothing',
      given: {
        '/source/qemu': '7.2',
        '/vm/vfio/0/enableMigration': 'on',
        '/source/devices/dev0/protocol': 'v1',
        '/source/type1/emulatedByIommufd': true,
      },
      effect: 'blocker',
      says,
    },
    { name: '8.0 by default', given: { '/source/qemu': '8.0' }, effect: 'blocker', says },
    {
      name: '8.0, enabled, without migration support',
      given: { '/source/qemu': '8.0', '/vm/vfio/0/enableMigration': 'on', '/source/devices/dev0/protocol': 'none' },
      effect: 'blocker',
      says,
    },
    {
      name: '-only-migratable makes a start failure of it',
      given: { '/source/qemu': '8.0', '/vm/onlyMigratable': true },
      effect: 'start-failure',
      says: `vfio 0000:3b:00.1: disallowing migration blocker (--only-migratable) for: ${says}`,
    },
  ],
  clear: [
    {
      name: '7.2, enabled, v1',
      given: { '/source/qemu': '7.2', '/vm/vfio/0/enableMigration': 'on', '/source/devices/dev0/protocol': 'v1' },
    },
    { name: '8.0, enabled, v2', given: { '/source/qemu': '8.0', '/vm/vfio/0/enableMigration': 'on' } },
    {
      name: '8.0 does not ask whether the container tracks',
      given: {
        '/source/qemu': '8.0',
        '/vm/vfio/0/enableMigration': 'on',
        '/source/type1/emulatedByIommufd': true,
      },
    },
    { name: '8.1 has words for each cause', given: { '/source/qemu': '8.1' } },
  ],
  unknown: [
    {
      name: 'enabled, driver unknown',
      given: { '/source/qemu': '8.0', '/vm/vfio/0/enableMigration': 'on', '/source/devices/dev0': {} },
      lacks: ['/source/devices/dev0/protocol', '/source/devices/dev0/stopCopy'],
    },
    { name: 'any QEMU', given: { '/source/qemu': undefined }, lacks: ['/source/qemu'] },
  ],
});
