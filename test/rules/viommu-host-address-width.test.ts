import { intel48, testRule } from './rule-tester.ts';

const narrow = { '/vm/viommu': intel48, '/source/iommu/addressWidth': 39 };

testRule('viommu-host-address-width', {
  fires: [
    {
      name: '48 bits on a host of 39',
      given: narrow,
      effect: 'start-failure',
      says: 'vfio 0000:3b:00.1: Failed to set vIOMMU: aw-bits 48 > host aw-bits 39',
    },
  ],
  clear: [
    { name: 'as wide as the host', given: { '/vm/viommu': intel48 } },
    { name: '9.0 does not compare', given: { ...narrow, '/source/qemu': '9.0' } },
    { name: 'an mdev has no host IOMMU', given: { ...narrow, '/vm/vfio/0/type': 'mdev' } },
    { name: 'the device bypasses the vIOMMU', given: { ...narrow, '/vm/defaultBusBypassIommu': true } },
  ],
  unknown: [
    {
      name: 'host unknown',
      given: { ...narrow, '/source/iommu/addressWidth': undefined },
      lacks: ['/source/iommu/addressWidth'],
    },
  ],
});
