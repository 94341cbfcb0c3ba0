import { testRule } from './rule-tester.ts';

const on = (qemu: string, type: string, regions?: boolean) => ({
  '/source/qemu': qemu,
  '/vm/otherDevices': [
    { type, backend: { 'log-all': true, 'log-shmfd': true, 'device-state': true, 'shared-memory-regions': regions } },
  ],
});

testRule('virtio-shared-memory', {
  fires: [
    {
      name: '11.1, regions',
      given: on('11.1', 'vhost-user-fs-pci', true),
      effect: 'blocker',
      says: 'Migration disabled: devices with VIRTIO Shared Memory Regions do not support migration yet.',
    },
  ],
  clear: [
    { name: 'no regions', given: on('11.1', 'vhost-user-fs-pci', false) },
    { name: '10.2 does not know them', given: on('10.2', 'vhost-user-fs-pci', true) },
    { name: 'not vhost-user', given: on('11.1', 'vhost-vsock-pci', true) },
  ],
  unknown: [
    {
      name: 'not given',
      given: on('11.1', 'vhost-user-fs-pci'),
      lacks: ['/vm/otherDevices/0/backend/shared-memory-regions'],
    },
  ],
});
