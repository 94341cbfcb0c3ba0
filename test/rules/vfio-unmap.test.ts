import { intel48, testRule } from './rule-tester.ts';

/** A QEMU that lets a device behind a vIOMMU migrate but still unmaps its aperture whole. */
const patched = {
  '/vm/viommu': intel48,
  '/vm/vfio/0/enableMigration': 'on',
  '/vm/vfio/0/guestDomain': 'dma',
  '/source/devices/dev0/dmaLogging': false,
  '/source/behaviours': { viommuBlock: 'device-tracking' },
};
const says = 'vfio_container_dma_unmap(0x…, 0x100000000000, 0x100000000000) = -7 (Argument list too long)';
const effect = 'migration-failure' as const;

testRule('vfio-unmap', {
  fires: [
    { name: 'a 48-bit aperture on type1', given: patched, effect, says },
    {
      name: 'amd-iommu cuts 64 bits and never tracks',
      given: {
        ...patched,
        '/source/qemu': '11.1.3',
        '/source/behaviours': undefined,
        '/vm/viommu': { model: 'amd', dmaRemap: true },
      },
      effect,
      says,
    },
    {
      name: 'a guest that is in identity passes through blocking, too',
      given: { ...patched, '/vm/vfio/0/guestDomain': 'identity' },
      effect,
      says,
    },
    {
      name: 'a host too small for the bitmap: the allocator refuses first',
      given: { ...patched, '/source/memory': '1GiB' },
      effect,
      says,
    },
    {
      name: 'a host smaller still',
      given: { ...patched, '/source/memory': '0x10000000' },
      effect,
      says: 'vfio_container_dma_unmap(0x…, 0x100000000000, 0x100000000000) = -12 (Cannot allocate memory)',
    },
    {
      name: 'RAM that stayed mapped as the guest left its identity domain: the kernel refuses a piece of it',
      given: {
        ...patched,
        '/source/qemu': '11.1.3',
        '/source/behaviours': { viommuBlock: 'device-tracking', domainUnmap: 'whole' },
        '/vm/viommu/addressWidth': 39,
        '/vm/vfio/0/guestDomain': undefined,
        '/vm/memory': '9TiB',
      },
      effect,
      says: 'vfio_container_dma_unmap(0x…, 0x100000000, 0x100000000) = -1 (Operation not permitted)',
    },
    ...(['tracked-end-as-size', 'tracked', 'tracked-while-migrating'] as const).map((domainUnmap) => ({
      name: `${domainUnmap}, on a host without the memory for one mapping’s bitmap`,
      given: {
        ...patched,
        '/source/behaviours': { viommuBlock: 'device-tracking', domainUnmap },
        '/vm/vfio/0/mappings': [{ iova: '0x0', pageSize: '1GiB', count: 1 }],
        '/source/memory': '16KiB',
      },
      effect,
      says: 'vfio_container_dma_unmap(0x…, 0x0, 0x40000000) = -12 (Cannot allocate memory)',
    })),
  ],
  clear: [
    { name: '39 bits', given: { ...patched, '/vm/viommu/addressWidth': 39 } },
    { name: 'iommufd has no limit', given: { ...patched, '/vm/vfio/0/backend': 'iommufd' } },
    { name: '64 KiB pages', given: { ...patched, '/source/pageSize': '64KiB' } },
    { name: 'the guest is known not to switch', given: { ...patched, '/migration/guestEvents': ['unmap'] } },
    {
      name: 'only live mappings are unmapped',
      given: { ...patched, '/source/behaviours': { viommuBlock: 'device-tracking', domainUnmap: 'tracked' } },
    },
    { name: 'no vIOMMU', given: { ...patched, '/vm/viommu': null } },
    {
      name: 'tracking by the device needs no bitmap of type1',
      given: { ...patched, '/source/devices/dev0/dmaLogging': true },
    },
  ],
  unknown: [
    {
      name: 'a distribution’s machine type: address width unknown',
      given: { ...patched, '/vm/machine': 'pc-q35-rhel9.6.0', '/vm/viommu/addressWidth': undefined },
      lacks: ['/vm/viommu/addressWidth'],
    },
  ],
});
