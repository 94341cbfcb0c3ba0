import { testRule } from './rule-tester.ts';

const mdev = { '/migration/mode': 'cpr-exec', '/vm/vfio/0/backend': 'iommufd', '/vm/vfio/0/type': 'mdev' };

testRule('vfio-cpr-mdev', {
  fires: [
    { name: 'an mdev on iommufd', given: mdev, effect: 'blocker', says: 'CPR does not support vfio mdev 0000:3b:00.1' },
  ],
  clear: [
    { name: 'a physical device', given: { ...mdev, '/vm/vfio/0/type': 'vfio-pci' } },
    { name: 'an mdev on type1', given: { ...mdev, '/vm/vfio/0/backend': 'legacy' } },
    { name: 'mode normal', given: { ...mdev, '/migration/mode': 'normal' } },
    {
      name: 'mode cpr-reboot',
      given: { ...mdev, '/migration/mode': 'cpr-reboot', '/vm/runtime': { suspended: true } },
    },
  ],
  unknown: 'backend and type are given or QEMU’s default',
});
