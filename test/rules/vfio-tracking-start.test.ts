import { intel48, testRule } from './rule-tester.ts';

/** Type1 tracks: the device does not, and `on` lets it in. */
const byType1 = { '/vm/vfio/0/enableMigration': 'on', '/source/devices/dev0/dmaLogging': false };
const says = 'vfio: Could not start dirty page tracking - Failed to set dirty tracking flag 0x1: Invalid argument';
const effect = 'migration-failure';

testRule('vfio-tracking-start', {
  fires: [
    { name: '9 TiB in 10.2', given: { ...byType1, '/vm/memory': '9TiB' }, effect, says },
    {
      name: '8 TiB and 2 GiB: just 2^31 pages above 4 GiB',
      given: { ...byType1, '/vm/memory': '8194GiB' },
      effect,
      says,
    },
    {
      name: 'a DIMM of 8 TiB, which 11.1’s own limit does not see',
      given: { ...byType1, '/source/qemu': '11.1.3', '/vm/hotplugged': [{ model: 'dimm', size: '8TiB' }] },
      effect,
      says,
    },
    { name: '9.0 fails, too', given: { ...byType1, '/source/qemu': '9.0', '/vm/memory': '9TiB' }, effect, says: null },
    {
      name: 'a guest in identity behind a vIOMMU',
      given: {
        ...byType1,
        '/vm/memory': '9TiB',
        '/vm/viommu': intel48,
        '/vm/vfio/0/guestDomain': 'identity',
        '/source/behaviours': { viommuBlock: 'never' },
      },
      effect,
      says,
    },
  ],
  clear: [
    { name: '8 TiB: 2 GiB lie below 4 GiB', given: { ...byType1, '/vm/memory': '8TiB' } },
    { name: '8 TiB and 1 MiB', given: { ...byType1, '/vm/memory': '8388609MiB' } },
    {
      name: 'a DIMM of 4 TiB beside 4 TiB',
      given: { ...byType1, '/vm/memory': '4TiB', '/vm/hotplugged': [{ model: 'dimm', size: '4TiB' }] },
    },
    { name: 'the device tracks', given: { '/vm/memory': '9TiB' } },
    {
      name: 'the device cannot log as much: vfio-logging-ranges tells',
      given: { '/source/devices/dev0/dmaLoggingAddressSpace': { minBits: 12, maxBits: 30 } },
    },
    { name: 'iommufd', given: { ...byType1, '/vm/memory': '9TiB', '/vm/vfio/0/backend': 'iommufd' } },
    {
      name: 'several backends, each mapped by itself',
      given: { ...byType1, '/vm/memory': '9TiB', '/vm/memoryBackends': [{ size: '4TiB' }, { size: '5TiB' }] },
    },
    {
      name: 'a guest that maps page by page',
      given: { ...byType1, '/vm/memory': '9TiB', '/vm/viommu': intel48, '/vm/vfio/0/guestDomain': 'dma' },
    },
    { name: '7.2 goes on', given: { ...byType1, '/vm/memory': '9TiB', '/source/qemu': '7.2' } },
  ],
  unknown: [
    {
      name: 'device unknown',
      given: { ...byType1, '/vm/memory': '9TiB', '/source/devices/dev0/dmaLogging': undefined },
      lacks: ['/source/devices/dev0/dmaLogging'],
    },
  ],
});
