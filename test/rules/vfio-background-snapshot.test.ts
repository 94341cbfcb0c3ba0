import { testRule } from './rule-tester.ts';

const snapshot = { '/migration/capabilities': ['background-snapshot'] };

testRule('vfio-background-snapshot', {
  fires: [
    {
      name: 'the capability is set',
      given: snapshot,
      effect: 'migration-failure',
      says: '0000:3b:00.1: VFIO migration is not supported with background snapshot',
    },
  ],
  clear: [
    { name: 'no capability', given: {} },
    { name: 'savevm does not ask', given: { ...snapshot, '/migration/mode': 'snapshot' } },
    { name: '8.1 does not look', given: { ...snapshot, '/source/qemu': '8.1' } },
  ],
  unknown: [
    {
      name: 'stop-copy unknown',
      given: { ...snapshot, '/source/devices/dev0/stopCopy': undefined },
      lacks: ['/source/devices/dev0/stopCopy'],
    },
  ],
});
