import { testRule } from './rule-tester.ts';

const noStopCopy = { '/source/devices/dev0/stopCopy': false };

testRule('vfio-migration-init', {
  fires: [
    {
      name: '10.2, auto',
      given: noStopCopy,
      effect: 'blocker',
      says: "0000:3b:00.1: Migration couldn't be initialized for VFIO device, err: -95 (Operation not supported)",
    },
    {
      name: '11.1, on',
      given: { ...noStopCopy, '/source/qemu': '11.1', '/vm/vfio/0/enableMigration': 'on' },
      effect: 'start-failure',
      says: 'vfio 0000:3b:00.1: 0000:3b:00.1: VFIO migration init failed: VFIO_MIGRATION_STOP_COPY is not supported',
    },
  ],
  clear: [
    { name: 'stop-copy', given: {} },
    { name: 'without the protocol it is not asked', given: { '/source/devices/dev0': { protocol: 'none' } } },
  ],
  unknown: [
    {
      name: 'flags unknown',
      given: { '/source/devices/dev0/stopCopy': undefined },
      lacks: ['/source/devices/dev0/stopCopy'],
    },
  ],
});
