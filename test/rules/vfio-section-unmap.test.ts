import { intel48, testRule } from './rule-tester.ts';

const large = {
  '/source/qemu': '11.1.3',
  '/source/behaviours': { ramLimit: 'none' },
  '/vm/memory': '9TiB',
  '/vm/viommu': intel48,
  '/vm/vfio/0/enableMigration': 'on',
  '/vm/vfio/0/guestDomain': 'identity',
  '/source/devices/dev0/dmaLogging': false,
};

testRule('vfio-section-unmap', {
  fires: [
    { name: '9 TiB, of which more than 8 in one section', given: large, effect: 'data-loss', says: null },
    { name: '11.0', given: { ...large, '/source/qemu': '11.0' }, effect: 'data-loss', says: null },
  ],
  clear: [
    { name: '4 GiB', given: { ...large, '/vm/memory': '4GiB' } },
    { name: 'iommufd knows no limit', given: { ...large, '/vm/vfio/0/backend': 'iommufd' } },
    { name: '10.2 asks for no bitmap', given: { ...large, '/source/qemu': '10.2.2', '/source/behaviours': undefined } },
    { name: 'no vIOMMU', given: { ...large, '/vm/viommu': null } },
    {
      name: 'what stays mapped of a DMA domain is no section',
      given: {
        ...large,
        '/source/behaviours': { ramLimit: 'none', domainUnmap: 'whole' },
        '/vm/memory': '4GiB',
        '/vm/vfio/0/guestDomain': 'dma',
        '/vm/vfio/0/mappings': [{ iova: '0x100000000000', pageSize: '4KiB', count: 1 }],
      },
    },
  ],
  unknown: [
    {
      name: 'machine unknown: no layout',
      given: { ...large, '/vm/machine': undefined },
      lacks: ['/vm/machine'],
    },
  ],
});
