import { testRule } from './rule-tester.ts';

const slow = {
  '/vm/vfio/0/enableMigration': 'on',
  '/source/devices/dev0/dmaLogging': false,
  '/migration': { parameters: { bandwidth: '1GiB' } },
};

testRule('vfio-convergence', {
  fires: [
    {
      name: 'type1: 4 GiB on every pass, 0.3 GiB in the time that the guest may stop',
      given: slow,
      effect: 'no-convergence',
      says: null,
    },
  ],
  clear: [
    { name: 'the device logs what it writes', given: { ...slow, '/source/devices/dev0/dmaLogging': true } },
    {
      name: 'a longer stop',
      given: { ...slow, '/migration': { parameters: { bandwidth: '1GiB', downtimeLimitMs: 5000 } } },
    },
    { name: 'more bandwidth', given: { ...slow, '/migration': { parameters: { bandwidth: '100GiB' } } } },
    { name: 'bandwidth unknown: nothing to say', given: { ...slow, '/migration': undefined } },
    { name: 'an mdev pins what it writes to', given: { ...slow, '/vm/vfio/0/type': 'mdev' } },
  ],
  unknown: [
    {
      name: 'tracker unknown',
      given: { ...slow, '/source/devices/dev0/dmaLogging': undefined },
      lacks: ['/source/devices/dev0/dmaLogging'],
    },
  ],
});
