import { intel48, testRule } from './rule-tester.ts';

const bits = (pasidBits: number, hostBits: number | undefined) => ({
  '/vm/viommu': { ...intel48, scalableMode: true, pasidBits },
  '/vm/vfio/0/backend': 'iommufd',
  '/source/iommu/pasidBits': hostBits,
  '/source/qemu': '11.1.3',
});

testRule('viommu-host-pasid', {
  fires: [
    {
      name: '20 bits on a host of 16',
      given: bits(20, 16),
      effect: 'start-failure',
      says: 'vfio 0000:3b:00.1: Failed to set vIOMMU: PASID bits size 20 > host IOMMU PASID bits size 16',
    },
  ],
  clear: [
    { name: 'as wide as the host', given: bits(16, 16) },
    { name: 'a host that has no PASIDs to tell of', given: bits(20, 0) },
    { name: 'no PASIDs', given: bits(0, undefined) },
    { name: 'a VFIO container tells of none', given: { ...bits(20, 16), '/vm/vfio/0/backend': 'legacy' } },
    { name: 'an mdev has no host IOMMU', given: { ...bits(20, 16), '/vm/vfio/0/type': 'mdev' } },
    { name: '11.0 does not compare', given: { ...bits(20, 16), '/source/qemu': '11.0' } },
  ],
  unknown: [{ name: 'host unknown', given: bits(20, undefined), lacks: ['/source/iommu/pasidBits'] }],
});
