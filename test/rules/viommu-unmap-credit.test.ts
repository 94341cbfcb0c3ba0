import { intel48, testRule } from './rule-tester.ts';

const behind = {
  '/source/qemu': '11.1.3',
  '/vm/viommu': intel48,
  '/vm/vfio/0/enableMigration': 'on',
  '/source/devices/dev0/dmaLogging': false,
};

testRule('viommu-unmap-credit', {
  fires: [
    { name: 'intel-iommu, type1', given: behind, effect: 'data-loss', says: null },
    { name: 'virtio-iommu', given: { ...behind, '/vm/viommu': { model: 'virtio' } }, effect: 'data-loss', says: null },
    {
      name: 'amd-iommu',
      given: { ...behind, '/vm/viommu': { model: 'amd', dmaRemap: true } },
      effect: 'data-loss',
      says: null,
    },
    {
      name: 'the device tracks',
      given: { ...behind, '/source/devices/dev0/dmaLogging': true },
      effect: 'data-loss',
      says: null,
    },
    {
      name: 'the IOMMU tracks',
      given: { ...behind, '/vm/vfio/0/backend': 'iommufd', '/source/iommu/dirtyTracking': true },
      effect: 'data-loss',
      says: null,
    },
  ],
  clear: [
    { name: 'no vIOMMU', given: { ...behind, '/vm/viommu': null } },
    { name: 'nothing tracks, nothing is credited', given: { ...behind, '/source/type1': { emulatedByIommufd: true } } },
    { name: 'the guest unmaps nothing', given: { ...behind, '/migration/guestEvents': ['domain-switch'] } },
  ],
  unknown: [
    {
      name: 'tracker unknown',
      given: { ...behind, '/vm/vfio/0/backend': 'iommufd', '/source/iommu/dirtyTracking': undefined },
      lacks: ['/source/iommu/dirtyTracking'],
    },
  ],
});
