import { testRule } from './rule-tester.ts';

const able = { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: true };
const without = { ...able, p2p: false };
const two = (first: object, second: object, enableMigration: string = 'auto') => ({
  '/vm/vfio': [
    { id: 'a', host: '0000:3b:00.1', enableMigration },
    { id: 'b', host: '0000:3b:00.2', enableMigration },
  ],
  '/source/devices': { a: first, b: second },
});
const says = 'Multiple VFIO devices migration is supported only if all of them support P2P migration';
const single = 'Migration is currently not supported with multiple VFIO devices';

testRule('vfio-p2p', {
  fires: [
    { name: 'the second lacks P2P', given: two(able, without), effect: 'blocker', says },
    { name: 'the first lacks P2P', given: two(without, able), effect: 'blocker', says },
    {
      name: 'on refuses the device that is added',
      given: two(able, without, 'on'),
      effect: 'start-failure',
      says: `vfio 0000:3b:00.2: ${says}`,
    },
    {
      name: '8.1 takes one device only',
      given: { ...two(able, able), '/source/qemu': '8.1' },
      effect: 'blocker',
      says: single,
    },
    {
      name: '8.1 refuses one that is on as long as no blocker is there',
      given: {
        '/source/qemu': '8.1',
        '/vm/vfio': [
          { id: 'a', host: '0000:3b:00.1' },
          { id: 'b', host: '0000:3b:00.2', enableMigration: 'on' },
          { id: 'c', host: '0000:3b:00.3' },
        ],
        '/source/devices': { a: able, b: able, c: able },
      },
      effect: 'start-failure',
      says: `vfio 0000:3b:00.2: ${single}`,
    },
    {
      name: 'to 8.1 a device that is unplugged for the migration adds no blocker',
      given: {
        '/source/qemu': '8.1',
        '/vm/vfio': [
          { id: 'a', host: '0000:3b:00.1' },
          { id: 'b', host: '0000:3b:00.2' },
          { id: 'c', host: '0000:3b:00.3', unpluggedForMigration: true },
          { id: 'd', host: '0000:3b:00.4', enableMigration: 'on' },
        ],
        '/source/devices': { a: able, b: { protocol: 'none' }, c: able, d: able },
      },
      effect: 'start-failure',
      says: `vfio 0000:3b:00.4: ${single}`,
    },
  ],
  clear: [
    { name: 'both have it', given: two(able, able) },
    { name: 'one device alone needs none', given: { '/source/devices/dev0/p2p': false } },
    { name: 'a device without migration support does not count', given: two(without, { protocol: 'none' }) },
    { name: '7.2 takes any', given: { ...two(without, without), '/source/qemu': '7.2' } },
  ],
  unknown: [
    {
      name: 'flags of the second unknown',
      given: two(able, { protocol: 'v2', stopCopy: true, dmaLogging: true }),
      lacks: ['/source/devices/b/p2p'],
    },
  ],
});
