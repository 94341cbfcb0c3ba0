import { testRule } from './rule-tester.ts';

const none = { '/source/devices/dev0': { protocol: 'none' } };

testRule('vfio-no-migration-support', {
  fires: [
    {
      name: '10.2, auto',
      given: none,
      effect: 'blocker',
      says: '0000:3b:00.1: VFIO migration is not supported in kernel',
    },
    {
      name: '10.2, on',
      given: { ...none, '/vm/vfio/0/enableMigration': 'on' },
      effect: 'start-failure',
      says: 'vfio 0000:3b:00.1: 0000:3b:00.1: VFIO migration is not supported in kernel',
    },
    {
      name: '11.1 says more',
      given: { ...none, '/source/qemu': '11.1.3' },
      effect: 'blocker',
      says: '0000:3b:00.1: VFIO migration init failed: migration is not supported in kernel: Inappropriate ioctl for device',
    },
    {
      name: 'plain vfio-pci never has it',
      given: { '/source/devices/dev0': { driver: 'vfio-pci' } },
      effect: 'blocker',
      says: '0000:3b:00.1: VFIO migration is not supported in kernel',
    },
    {
      name: 'a driver of the v1 protocol',
      given: { '/source/devices/dev0': { protocol: 'v1' } },
      effect: 'blocker',
      says: '0000:3b:00.1: VFIO migration is not supported in kernel',
    },
  ],
  clear: [
    { name: 'v2', given: {} },
    { name: 'mlx5 speaks v2', given: { '/source/devices/dev0': { driver: 'mlx5_vfio_pci' } } },
  ],
  unknown: [
    {
      name: 'nothing is known of the device',
      given: { '/source/devices': undefined },
      lacks: ['/source/devices/dev0/protocol'],
    },
  ],
});
