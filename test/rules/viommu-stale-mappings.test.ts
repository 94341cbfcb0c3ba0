import { intel48, testRule } from './rule-tester.ts';

const relaxed = {
  '/source/qemu': '11.1.3',
  '/vm/viommu': intel48,
  '/vm/vfio/0/enableMigration': 'on',
  '/vm/vfio/0/guestDomain': 'dma',
  '/source/devices/dev0/dmaLogging': false,
};
const low = { iova: '0xfedff000', pageSize: '4KiB', count: 1 };
const high = { iova: '0xfef00000', pageSize: '4KiB', count: 1 };

testRule('viommu-stale-mappings', {
  fires: [
    { name: 'unknown mappings: the guest may map anything', given: relaxed, effect: 'data-loss', says: null },
    {
      name: 'one page above the interrupt window',
      given: { ...relaxed, '/vm/vfio/0/mappings': [high] },
      effect: 'data-loss',
      says: null,
    },
  ],
  clear: [
    {
      name: 'a section of RAM that stays mapped is none of the guest’s',
      given: {
        ...relaxed,
        '/vm/memory': '9TiB',
        '/source/behaviours': { ramLimit: 'none' },
        '/vm/vfio/0/guestDomain': 'identity',
      },
    },
    { name: 'amd-iommu takes no such loop', given: { ...relaxed, '/vm/viommu': { model: 'amd' } } },
    { name: 'all below the interrupt window', given: { ...relaxed, '/vm/vfio/0/mappings': [low] } },
    {
      name: 'the search mended',
      given: { ...relaxed, '/source/behaviours': { domainUnmap: 'tracked' }, '/vm/vfio/0/mappings': [high] },
    },
    {
      name: '10.2 unmaps whole',
      given: { ...relaxed, '/source/qemu': '10.2.2', '/source/behaviours': { viommuBlock: 'device-tracking' } },
    },
    { name: 'the guest is known not to switch', given: { ...relaxed, '/migration/guestEvents': [] } },
    { name: 'the guest is in identity', given: { ...relaxed, '/vm/vfio/0/guestDomain': 'identity' } },
  ],
  unknown: [
    {
      name: 'address width unknown',
      given: { ...relaxed, '/vm/machine': 'pc-q35-rhel9.6.0', '/vm/viommu/addressWidth': undefined },
      lacks: ['/vm/viommu/addressWidth'],
    },
  ],
});
