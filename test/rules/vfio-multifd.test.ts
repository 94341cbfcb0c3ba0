import { testRule } from './rule-tester.ts';

const on = { '/vm/vfio/0/multifdTransfer': 'on' };
const says = '0000:3b:00.1: Multifd device transfer requested but unsupported in the current config';

testRule('vfio-multifd', {
  fires: [
    { name: 'no multifd', given: on, effect: 'migration-failure', says },
    {
      name: 'to a mapped-ram file',
      given: { ...on, '/migration/capabilities': ['multifd', 'mapped-ram'] },
      effect: 'migration-failure',
      says,
    },
    {
      name: 'compressed',
      given: { ...on, '/migration': { capabilities: ['multifd'], parameters: { multifdCompression: 'zstd' } } },
      effect: 'migration-failure',
      says,
    },
    {
      name: 'switchover not announced',
      given: { ...on, '/migration': { capabilities: ['multifd'], parameters: { sendSwitchoverStart: false } } },
      effect: 'migration-failure',
      says,
    },
  ],
  clear: [
    { name: 'all is there', given: { ...on, '/migration/capabilities': ['multifd'] } },
    { name: 'auto falls back', given: { '/vm/vfio/0/multifdTransfer': 'auto' } },
    { name: 'left to QEMU', given: {} },
    { name: '9.2 has no such property', given: { ...on, '/source/qemu': '9.2' } },
  ],
  unknown: [
    {
      name: 'stop-copy unknown',
      given: { ...on, '/source/devices/dev0/stopCopy': undefined },
      lacks: ['/source/devices/dev0/stopCopy'],
    },
  ],
});
