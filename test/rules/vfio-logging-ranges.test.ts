import { type Given, testRule } from './rule-tester.ts';

const two = (first: object, second: object): Given => {
  const can = { protocol: 'v2', stopCopy: true, p2p: true, preCopy: true, dmaLogging: true };
  return {
    '/vm/vfio': [
      { id: 'dev0', host: '0000:3b:00.1' },
      { id: 'dev1', host: '0000:3b:00.2' },
    ],
    '/source/devices': {
      dev0: { ...can, dmaLoggingAddressSpace: first },
      dev1: { ...can, dmaLoggingAddressSpace: second },
    },
  };
};
const says = (device: string): string =>
  `vfio: Could not start dirty page tracking - ${device}: Failed to start DMA logging: Operation not supported`;
const short = { '/source/devices/dev0/dmaLoggingAddressSpace': { minBits: 12, maxBits: 30 } };

testRule('vfio-logging-ranges', {
  fires: [
    {
      name: '4 GiB of RAM and its hole take more than 30 bits',
      given: short,
      effect: 'migration-failure',
      says: says('0000:3b:00.1'),
    },
    {
      name: 'the second logs fewer bits: it is named',
      given: two({ minBits: 12, maxBits: 40 }, { minBits: 12, maxBits: 30 }),
      effect: 'migration-failure',
      says: says('0000:3b:00.2'),
    },
    {
      name: 'neither logs enough: the first is named, whichever logs less',
      given: two({ minBits: 12, maxBits: 31 }, { minBits: 12, maxBits: 30 }),
      effect: 'migration-failure',
      says: says('0000:3b:00.1'),
    },
    {
      name: 'the first logs nothing as short',
      given: two({ minBits: 50, maxBits: 60 }, { minBits: 12, maxBits: 40 }),
      effect: 'migration-failure',
      says: says('0000:3b:00.1'),
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
