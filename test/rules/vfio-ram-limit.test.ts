import { testRule } from './rule-tester.ts';

const untracked = {
  '/source/qemu': '11.1.3',
  '/vm/machine': 'pc-q35-11.1',
  '/vm/vfio/0/enableMigration': 'on',
  '/source/devices/dev0/dmaLogging': false,
};
const says =
  'vfio 0000:3b:00.1: 0000:3b:00.1: Migration is currently not supported with large memory VM due to dirty tracking limitation in backend';
const effect = 'start-failure';

testRule('vfio-ram-limit', {
  fires: [
    { name: 'one page above 8 TiB', given: { ...untracked, '/vm/memory': '0x80000001000' }, effect, says },
    {
      name: 'one page above 32 TiB with 16 KiB pages',
      given: { ...untracked, '/source/pageSize': '16KiB', '/vm/memory': '0x200000004000' },
      effect,
      says,
    },
    {
      name: 'one page above 128 TiB with 64 KiB pages',
      given: { ...untracked, '/source/pageSize': '64KiB', '/vm/memory': '0x800000010000' },
      effect,
      says,
    },
    { name: '11.0', given: { ...untracked, '/source/qemu': '11.0.0', '/vm/memory': '9TiB' }, effect, says },
    {
      name: 'a second device of an iommufd container that tracks for the first: any RAM is too much',
      given: {
        ...untracked,
        '/source/iommu/dirtyTracking': true,
        '/vm/vfio': [
          { id: 'dev1', host: '0000:3b:00.2', backend: 'iommufd' },
          { id: 'dev0', host: '0000:3b:00.1', backend: 'iommufd', type: 'mdev', enableMigration: 'on' },
        ],
        '/source/devices/dev1': { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: false },
      },
      effect,
      says,
    },
    {
      name: 'the interim patch refuses legacy devices whatever tracks, in words that are not known',
      given: { '/source/behaviours': { ramLimit: 'legacy-over-8tib' }, '/vm/memory': '9TiB' },
      effect: 'blocker',
      says: null,
    },
  ],
  clear: [
    { name: '8 TiB exactly', given: { ...untracked, '/vm/memory': '8TiB' } },
    {
      name: '32 TiB exactly with 16 KiB pages',
      given: { ...untracked, '/source/pageSize': '16KiB', '/vm/memory': '32TiB' },
    },
    {
      name: '128 TiB exactly with 64 KiB pages',
      given: { ...untracked, '/source/pageSize': '64KiB', '/vm/memory': '128TiB' },
    },
    { name: '10.2 has no limit', given: { ...untracked, '/source/qemu': '10.2.2', '/vm/memory': '9TiB' } },
    {
      name: 'auto is refused before',
      given: { ...untracked, '/vm/vfio/0/enableMigration': 'auto', '/vm/memory': '9TiB' },
    },
    {
      name: 'the device tracks',
      given: { ...untracked, '/source/devices/dev0/dmaLogging': true, '/vm/memory': '9TiB' },
    },
    {
      name: 'the IOMMU tracks',
      given: {
        ...untracked,
        '/vm/vfio/0/backend': 'iommufd',
        '/source/iommu/dirtyTracking': true,
        '/vm/memory': '9TiB',
      },
    },
    {
      name: 'iommufd without any tracking',
      given: { ...untracked, '/vm/vfio/0/backend': 'iommufd', '/vm/memory': '9TiB' },
    },
    {
      name: 'type1 emulated by iommufd tracks nothing',
      given: { ...untracked, '/source/type1/emulatedByIommufd': true, '/vm/memory': '9TiB' },
    },
    { name: 'DIMMs do not count', given: { ...untracked, '/vm/hotplugged': [{ model: 'dimm', size: '9TiB' }] } },
    {
      name: 'the interim patch takes 8 TiB exactly',
      given: { '/source/behaviours': { ramLimit: 'legacy-over-8tib' }, '/vm/memory': '8TiB' },
    },
    {
      name: 'the interim patch lets iommufd pass',
      given: {
        '/source/behaviours': { ramLimit: 'legacy-over-8tib' },
        '/vm/vfio/0/backend': 'iommufd',
        '/vm/memory': '9TiB',
      },
    },
  ],
  unknown: [
    {
      name: 'device unknown',
      given: { ...untracked, '/vm/memory': '9TiB', '/source/devices/dev0/dmaLogging': undefined },
      lacks: ['/source/devices/dev0/dmaLogging'],
    },
    {
      name: 'page size of an Arm host unknown',
      given: {
        ...untracked,
        '/vm/machine': 'virt-11.1',
        '/source/iommu/vendor': 'arm',
        '/source/pageSize': undefined,
        '/vm/memory': '9TiB',
      },
      lacks: ['/source/pageSize'],
    },
  ],
});
