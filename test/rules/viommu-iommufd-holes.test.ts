import { intel48, testRule } from './rule-tester.ts';

const behind = {
  '/source/qemu': '11.1.3',
  '/vm/viommu': intel48,
  '/vm/vfio/0/backend': 'iommufd',
  '/source/devices/dev0/dmaLogging': false,
  '/source/iommu/dirtyTracking': true,
};

testRule('viommu-iommufd-holes', {
  fires: [{ name: 'the IOMMU tracks', given: behind, effect: 'data-loss', says: null }],
  clear: [
    { name: 'type1 asks per mapping', given: { ...behind, '/vm/vfio/0/backend': 'legacy' } },
    { name: 'no vIOMMU', given: { ...behind, '/vm/viommu': null } },
    { name: 'virtio-iommu unmaps what was mapped', given: { ...behind, '/vm/viommu': { model: 'virtio' } } },
    { name: '10.2 asks for no bitmap at all', given: { ...behind, '/source/qemu': '10.2.2' } },
    { name: 'the guest unmaps nothing', given: { ...behind, '/migration/guestEvents': [] } },
  ],
  unknown: [
    {
      name: 'the IOMMU may track',
      given: { ...behind, '/source/iommu/dirtyTracking': undefined },
      lacks: ['/source/iommu/dirtyTracking'],
    },
  ],
});
