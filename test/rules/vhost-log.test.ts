import { testRule } from './rule-tester.ts';

const device = (type: string, backend?: object, properties?: object) => ({
  '/vm/otherDevices': [{ type, backend, properties }],
});
const says = 'Migration disabled: vhost lacks VHOST_F_LOG_ALL feature.';

testRule('vhost-log', {
  fires: [
    {
      name: 'a vhost-user process that does not log',
      given: device('vhost-user-blk-pci', { 'log-all': false, 'log-shmfd': true }),
      effect: 'blocker',
      says,
    },
    {
      name: 'a vhost-user network card',
      given: device('virtio-net-pci', { 'log-all': false, 'log-shmfd': true }, { 'netdev.type': 'vhost-user' }),
      effect: 'blocker',
      says,
    },
    {
      name: 'a vDPA network card',
      given: device('virtio-net-pci', { 'log-all': false }, { 'netdev.type': 'vhost-vdpa' }),
      effect: 'blocker',
      says,
    },
    {
      name: 'vhost in the kernel, where that is said',
      given: device('vhost-vsock-pci', { 'log-all': false }),
      effect: 'blocker',
      says,
    },
  ],
  clear: [
    { name: 'a process that logs', given: device('vhost-user-blk-pci', { 'log-all': true, 'log-shmfd': true }) },
    {
      name: 'without a shared log QEMU says that first',
      given: device('vhost-user-blk-pci', { 'log-all': false, 'log-shmfd': false }),
    },
    { name: 'vhost in the kernel is taken to log', given: device('vhost-vsock-pci') },
    {
      name: 'so is that of a tap',
      given: device('virtio-net-pci', undefined, { 'netdev.type': 'tap', 'netdev.vhost': true }),
    },
    {
      name: 'mode cpr-reboot',
      given: { ...device('vhost-vsock-pci', { 'log-all': false }), '/migration/mode': 'cpr-reboot' },
    },
  ],
  unknown: [
    {
      name: 'a vhost-user process of which nothing is known',
      given: device('vhost-user-fs-pci'),
      lacks: ['/vm/otherDevices/0/backend/log-shmfd', '/vm/otherDevices/0/backend/log-all'],
    },
    {
      name: 'a vDPA device of which nothing is known',
      given: device('virtio-net-pci', undefined, { 'netdev.type': 'vhost-vdpa' }),
      lacks: ['/vm/otherDevices/0/backend/log-all'],
    },
  ],
});
