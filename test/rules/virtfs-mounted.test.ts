import { testRule } from './rule-tester.ts';

const share = {
  '/vm/otherDevices': [{ type: 'virtio-9p-pci', properties: { 'fsdev.path': '/share', mount_tag: 'share' } }],
};
const says = "Migration is disabled when VirtFS export path '/share' is mounted in the guest using mount_tag 'share'";
const mounted = { ...share, '/vm/runtime': { mounted9p: true } };

testRule('virtfs-mounted', {
  fires: [
    { name: 'mounted', given: mounted, effect: 'blocker', says },
    {
      name: 'a tag that is not given',
      given: { ...mounted, '/vm/otherDevices': [{ type: 'virtio-9p', properties: { 'fsdev.path': '/share' } }] },
      effect: 'blocker',
      says: "Migration is disabled when VirtFS export path '/share' is mounted in the guest using mount_tag '…'",
    },
    {
      name: 'a path that is not given',
      given: { ...mounted, '/vm/otherDevices': [{ type: 'virtio-9p-pci', properties: { mount_tag: 'share' } }] },
      effect: 'blocker',
      says: "Migration is disabled when VirtFS export path '…' is mounted in the guest using mount_tag 'share'",
    },
    {
      name: 'only-migratable does not keep QEMU from starting',
      given: { ...mounted, '/vm/onlyMigratable': true },
      effect: 'blocker',
      says,
    },
  ],
  clear: [
    { name: 'not mounted', given: { ...share, '/state': 'running', '/vm/runtime': { mounted9p: false } } },
    { name: 'a VM that is planned', given: share },
    { name: 'a running VM without a share', given: { '/state': 'running' } },
  ],
  unknown: [
    {
      name: 'a running VM with a share',
      given: { ...share, '/state': 'running' },
      lacks: ['/vm/runtime/mounted9p'],
    },
  ],
});
