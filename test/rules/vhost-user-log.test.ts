import { testRule } from './rule-tester.ts';

const device = (type: string, backend?: object, properties?: object) => ({
  '/vm/otherDevices': [{ type, backend, properties }],
});
const says = 'Migration disabled: vhost-user backend lacks VHOST_USER_PROTOCOL_F_LOG_SHMFD feature.';

testRule('vhost-user-log', {
  fires: [
    { name: 'a virtiofs share', given: device('vhost-user-fs-pci', { 'log-shmfd': false }), effect: 'blocker', says },
    {
      name: 'a network card',
      given: device('virtio-net-pci', { 'log-shmfd': false }, { 'netdev.type': 'vhost-user' }),
      effect: 'blocker',
      says,
    },
  ],
  clear: [
    { name: 'a process that shares its log', given: device('vhost-user-fs-pci', { 'log-shmfd': true }) },
    {
      name: 'a network card of another kind',
      given: device('virtio-net-pci', undefined, { 'netdev.type': 'tap' }),
    },
    { name: 'a disk in QEMU', given: device('virtio-blk-pci') },
  ],
  unknown: [
    {
      name: 'a process of which nothing is known',
      given: device('vhost-user-blk-pci', { 'log-all': true }),
      lacks: ['/vm/otherDevices/0/backend/log-shmfd'],
    },
  ],
});
