import { testRule } from './rule-tester.ts';

const untracked = {
  '/vm/vfio/0/enableMigration': 'on',
  '/vm/vfio/0/backend': 'iommufd',
  '/source/devices/dev0/dmaLogging': false,
};

testRule('vfio-untracked-dma', {
  fires: [
    { name: 'iommufd, on, neither device nor IOMMU tracks', given: untracked, effect: 'data-loss', says: null },
    {
      name: 'type1 emulated by iommufd',
      given: { ...untracked, '/vm/vfio/0/backend': 'legacy', '/source/type1/emulatedByIommufd': true },
      effect: 'data-loss',
      says: null,
    },
  ],
  clear: [
    { name: 'type1 tracks', given: { ...untracked, '/vm/vfio/0/backend': 'legacy' } },
    { name: 'the IOMMU tracks', given: { ...untracked, '/source/iommu/dirtyTracking': true } },
    { name: 'the device tracks', given: { ...untracked, '/source/devices/dev0/dmaLogging': true } },
    { name: '9.2 marks all memory dirty', given: { ...untracked, '/source/qemu': '9.2' } },
  ],
  unknown: [
    {
      name: 'IOMMU unknown',
      given: { ...untracked, '/source/iommu/dirtyTracking': undefined },
      lacks: ['/source/iommu/dirtyTracking'],
    },
  ],
});
