import { intel48, testRule } from './rule-tester.ts';

const tib8 = { iova: '0x100000000', pageSize: '2MiB', count: 16, gpa: '0x100000000' };
const low = { iova: '0x1000', pageSize: '4KiB', count: 1, gpa: '0x1000' };
/** The first page behind 4 GiB of RAM, of which q35 has two below 4 GiB. */
const bar = { iova: '0x2000', pageSize: '4KiB', count: 1, gpa: '0x180000000' };
const behind = {
  '/source/qemu': '11.1.3',
  '/source/behaviours': { domainUnmap: 'tracked' },
  '/vm/viommu': intel48,
  '/vm/vfio/0/enableMigration': 'on',
  '/vm/vfio/0/guestDomain': 'dma',
  '/source/devices/dev0/dmaLogging': false,
};

testRule('viommu-dirty-lost', {
  fires: [
    { name: 'unknown mappings: the guest may map any memory', given: behind, effect: 'data-loss', says: null },
    {
      name: 'memory above 4 GiB is not where its address says',
      given: { ...behind, '/vm/vfio/0/mappings': [tib8], '/vm/memory': '16GiB' },
      effect: 'data-loss',
      says: null,
    },
    {
      name: 'some of it above 4 GiB',
      given: { ...behind, '/vm/vfio/0/mappings': [low, tib8], '/vm/memory': '16GiB' },
      effect: 'data-loss',
      says: null,
    },
  ],
  clear: [
    { name: 'memory below 4 GiB is', given: { ...behind, '/vm/vfio/0/mappings': [low] } },
    { name: 'nothing is mapped', given: { ...behind, '/vm/vfio/0/mappings': [] } },
    {
      name: 'nothing is mapped, wherever RAM lies',
      given: { ...behind, '/vm/vfio/0/mappings': [], '/vm/machine': undefined },
    },
    {
      name: 'a BAR above RAM is none of it',
      given: {
        ...behind,
        '/vm/vfio/0/mappings': [bar],
        '/vm/vfio/0/pciBars': [{ gpa: bar.gpa, size: '1MiB' }],
      },
    },
    {
      name: 'an SMMUv3 whose tables are nested in the host’s: nothing is taken away',
      given: {
        ...behind,
        '/vm/machine': 'virt-11.1',
        '/vm/viommu': { model: 'smmuv3', accel: true },
        '/vm/vfio/0/mappings': [tib8],
        '/vm/memory': '16GiB',
      },
    },
    {
      name: 'a guest that gives memory to a device that had none',
      given: { ...behind, '/vm/vfio/0/guestDomain': 'blocking', '/vm/memory': '16GiB' },
    },
    { name: 'no vIOMMU', given: { ...behind, '/vm/viommu': null } },
    { name: 'the guest does not switch', given: { ...behind, '/migration/guestEvents': ['unmap'] } },
  ],
  unknown: [
    {
      name: 'tracker unknown',
      given: { ...behind, '/vm/vfio/0/backend': 'iommufd', '/source/iommu/dirtyTracking': undefined },
      lacks: ['/source/iommu/dirtyTracking'],
    },
  ],
});
