import { testRule } from './rule-tester.ts';

const short = { '/source/devices/dev0/dmaLoggingAddressSpace': { minBits: 12, maxBits: 30 } };

testRule('vfio-logging-ranges', {
  fires: [
    {
      name: '4 GiB of RAM and its hole take more than 30 bits',
      given: short,
      effect: 'migration-failure',
      says: 'vfio: Could not start dirty page tracking - 0000:3b:00.1: Failed to start DMA logging: Operation not supported',
    },
    {
      name: '9.0 reports it and goes on',
      given: { ...short, '/source/qemu': '9.0' },
      effect: 'migration-failure',
      says: null,
    },
  ],
  clear: [
    { name: '40 bits', given: { '/source/devices/dev0/dmaLoggingAddressSpace': { maxBits: 40 } } },
    { name: 'nothing known of its firmware', given: {} },
    { name: 'told not to log', given: { ...short, '/vm/vfio/0/deviceDirtyTracking': 'off' } },
    {
      name: 'another device does not log: type1 is asked',
      given: { ...short, '/source/devices/dev0/dmaLogging': false },
    },
  ],
  unknown: [
    { name: 'machine unknown: no layout', given: { ...short, '/vm/machine': undefined }, lacks: ['/vm/machine'] },
  ],
});
