import { intel48, testRule } from './rule-tester.ts';

const says = 'vfio_container_dma_map(0x…, 0x…, 0x…, 0x…) = -28 (No space left on device)';
const virtioMem = {
  '/vm/maxMemory': '1TiB',
  '/vm/hotplugged': [{ model: 'virtio-mem', size: '256GiB', blockSize: '2MiB' }],
};
const pages = (count: number) => ({ '/vm/vfio/0/mappings': [{ iova: '0x0', pageSize: '4KiB', count }] });

testRule('host-dma-entries', {
  fires: [
    { name: 'virtio-mem in 131072 blocks', given: virtioMem, effect: 'start-failure', says },
    {
      name: 'a guest that maps 65536 pages',
      given: { ...pages(65_536), '/vm/viommu': intel48, '/vm/vfio/0/guestDomain': 'dma' },
      effect: 'start-failure',
      says,
    },
    {
      name: 'seven sections of RAM and ROM, a limit of six',
      given: { '/source/type1': { dmaEntryLimit: 6 } },
      effect: 'start-failure',
      says,
    },
  ],
  clear: [
    { name: 'sections of RAM', given: {} },
    {
      name: 'a guest that maps 65535 pages',
      given: { ...pages(65_535), '/vm/viommu': intel48, '/vm/vfio/0/guestDomain': 'dma' },
    },
    { name: 'as many as there may be', given: { '/source/type1': { dmaEntryLimit: 7 } } },
    {
      name: 'larger blocks',
      given: { ...virtioMem, '/vm/hotplugged': [{ model: 'virtio-mem', size: '256GiB', blockSize: '128MiB' }] },
    },
    { name: 'iommufd has no such limit', given: { ...virtioMem, '/vm/vfio/0/backend': 'iommufd' } },
  ],
  unknown: [
    { name: 'machine unknown: no layout', given: { ...virtioMem, '/vm/machine': undefined }, lacks: ['/vm/machine'] },
  ],
});
