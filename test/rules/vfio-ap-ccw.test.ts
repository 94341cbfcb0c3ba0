import { testRule } from './rule-tester.ts';

testRule('vfio-ap-ccw', {
  fires: [
    {
      name: 'vfio-ap',
      given: { '/vm/vfio/0/type': 'vfio-ap' },
      effect: 'blocker',
      says: 'non-migratable device: …/vfio-ap',
    },
    {
      name: 'vfio-ccw',
      given: { '/vm/vfio/0/type': 'vfio-ccw' },
      effect: 'blocker',
      says: 'non-migratable device: …/vfio-ccw',
    },
    {
      name: 'only-migratable',
      given: { '/vm/vfio/0/type': 'vfio-ap', '/vm/onlyMigratable': true },
      effect: 'start-failure',
      says: 'Device vfio-ap is not migratable, but --only-migratable was specified',
    },
  ],
  clear: [
    { name: 'vfio-pci', given: {} },
    { name: 'vfio-user', given: { '/vm/vfio/0/type': 'vfio-user-pci' } },
  ],
  unknown: 'the type is given or vfio-pci',
});
