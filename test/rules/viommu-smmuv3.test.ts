import { testRule } from './rule-tester.ts';

const smmu = (more: object, qemu = '11.1.3') => ({
  '/vm/viommu': { model: 'smmuv3', ...more },
  '/vm/machine': 'virt',
  '/source/qemu': qemu,
});
const iommufd = { '/vm/vfio/0/backend': 'iommufd' };
const effect = 'start-failure' as const;

testRule('viommu-smmuv3', {
  fires: [
    { name: 'emulated', given: smmu({}), effect, says: null },
    { name: 'emulated, iommufd', given: { ...smmu({ accel: false }), ...iommufd }, effect, says: null },
    { name: 'accelerated, a VFIO container', given: smmu({ accel: true }), effect, says: null },
    { name: '10.2 has no other', given: { ...smmu({}, '10.2.2'), ...iommufd }, effect, says: null },
  ],
  clear: [
    { name: 'accelerated, iommufd', given: { ...smmu({ accel: true }), ...iommufd } },
    { name: 'the device is elsewhere', given: { ...smmu({}), '/vm/vfio/0/address': { bypassIommu: true } } },
    { name: 'another model', given: { '/vm/viommu': { model: 'virtio' }, '/source/qemu': '11.1.3' } },
  ],
  unknown: [
    {
      name: 'QEMU unknown',
      given: { ...smmu({ accel: true }), ...iommufd, '/source/qemu': undefined },
      lacks: ['/source/qemu'],
    },
  ],
});
