import { testRule } from './rule-tester.ts';

const says = 'vfio_container_dma_map(0x…, 0x…, 0x…, 0x…) = -12 (Cannot allocate memory)';

testRule('host-memlock', {
  fires: [
    { name: '4 GiB of RAM, 1 GiB to lock', given: { '/source/memlockLimit': '1GiB' }, effect: 'start-failure', says },
    {
      name: '4 GiB of RAM and 256 KiB of ROM, a byte less to lock',
      given: { '/source/memlockLimit': 4_295_229_439 },
      effect: 'start-failure',
      says,
    },
    {
      name: 'two devices behind a vIOMMU lock it twice',
      given: {
        '/source/memlockLimit': '6GiB',
        '/vm/viommu': { model: 'intel', addressWidth: 48, cachingMode: true },
        '/vm/vfio': [{ id: 'a' }, { id: 'b' }],
        '/source/devices': {
          a: { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: true },
          b: { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: true },
        },
      },
      effect: 'start-failure',
      says,
    },
  ],
  clear: [
    { name: 'unlimited', given: { '/source/memlockLimit': 'unlimited' } },
    { name: 'no VFIO device locks nothing', given: { '/source/memlockLimit': '1GiB', '/vm/vfio': [] } },
    { name: 'not given', given: {} },
    { name: 'RAM and what libvirt adds', given: { '/source/memlockLimit': '5GiB' } },
    { name: 'RAM and ROM to the byte', given: { '/source/memlockLimit': 4_295_229_440 } },
    { name: 'an mdev pins nothing of itself', given: { '/source/memlockLimit': '1GiB', '/vm/vfio/0/type': 'mdev' } },
  ],
  unknown: [
    {
      name: 'machine unknown: no layout',
      given: { '/source/memlockLimit': '1GiB', '/vm/machine': undefined },
      lacks: ['/vm/machine'],
    },
  ],
});
