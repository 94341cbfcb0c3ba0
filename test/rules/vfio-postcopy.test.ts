import { testRule } from './rule-tester.ts';

const postcopy = { '/migration/capabilities': ['postcopy-ram', 'return-path'] };

testRule('vfio-postcopy', {
  fires: [
    {
      name: 'the capability is set',
      given: postcopy,
      effect: 'migration-failure',
      says: '0000:3b:00.1: VFIO migration is not supported with postcopy migration',
    },
  ],
  clear: [
    { name: 'another capability', given: { '/migration/capabilities': ['return-path'] } },
    { name: 'a snapshot does not ask', given: { ...postcopy, '/migration/mode': 'snapshot' } },
    {
      name: 'a device without migration support saves nothing',
      given: { ...postcopy, '/source/devices/dev0/protocol': 'none' },
    },
    { name: '8.1 does not look', given: { ...postcopy, '/source/qemu': '8.1' } },
  ],
  unknown: [
    {
      name: 'stop-copy unknown',
      given: { ...postcopy, '/source/devices/dev0/stopCopy': undefined },
      lacks: ['/source/devices/dev0/stopCopy'],
    },
  ],
});
