import { intel48, testRule } from './rule-tester.ts';

const off = { '/vm/viommu': { ...intel48, cachingMode: false } };

testRule('viommu-caching-mode', {
  fires: [
    {
      name: '10.1 exits once the machine is built',
      given: { ...off, '/source/qemu': '10.1' },
      effect: 'start-failure',
      says: 'We need to set caching-mode=on for intel-iommu to enable device assignment with IOMMU protection.',
    },
    {
      name: '10.2 refuses the device',
      given: off,
      effect: 'start-failure',
      says: 'vfio 0000:3b:00.1: Failed to set vIOMMU: Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.',
    },
  ],
  clear: [
    { name: 'on', given: { '/vm/viommu': intel48 } },
    { name: '10.2 lets an mdev through', given: { ...off, '/vm/vfio/0/type': 'mdev' } },
    { name: 'another model', given: { '/vm/viommu': { model: 'virtio' } } },
    { name: '10.2: the device bypasses the vIOMMU', given: { ...off, '/vm/defaultBusBypassIommu': true } },
  ],
  unknown: 'caching mode is off unless given, and which QEMU this is decides the words only',
});
