import { testRule } from './rule-tester.ts';

const off = { '/vm/vfio/0/enableMigration': 'off' };

testRule('vfio-migration-disabled', {
  fires: [
    { name: 'off', given: off, effect: 'blocker', says: '0000:3b:00.1: Migration is disabled for VFIO device' },
    {
      name: 'off, -only-migratable',
      given: { ...off, '/vm/onlyMigratable': true },
      effect: 'start-failure',
      says: 'vfio 0000:3b:00.1: disallowing migration blocker (--only-migratable) for: 0000:3b:00.1: Migration is disabled for VFIO device',
    },
  ],
  clear: [
    { name: 'auto', given: { '/vm/vfio/0/enableMigration': 'auto' } },
    { name: 'on', given: { '/vm/vfio/0/enableMigration': 'on' } },
    {
      name: 'a failover primary is not prepared for migration',
      given: { ...off, '/vm/vfio/0/unpluggedForMigration': true },
    },
    { name: '8.0 has one text for all', given: { ...off, '/source/qemu': '8.0' } },
  ],
  unknown: [
    {
      name: 'off in a QEMU of which nothing is known',
      given: { ...off, '/source/qemu': undefined },
      lacks: ['/source/qemu'],
    },
  ],
});
