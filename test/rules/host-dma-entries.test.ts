import { testRule } from './rule-tester.ts';

const says = 'vfio_container_dma_map(0x…, 0x…, 0x…, 0x…) = -28 (No space left on device)';
const virtioMem = {
  '/vm/maxMemory': '1TiB',
  '/vm/hotplugged': [{ model: 'virtio-mem', size: '256GiB', blockSize: '2MiB' }],
};

testRule('host-dma-entries', {
  fires: [
    { name: 'virtio-mem in 131072 blocks', given: virtioMem, effect: 'start-failure', says },
    {
      name: 'a limit of three',
      given: { '/source/type1': { dmaEntryLimit: 3 } },
      effect: 'start-failure',
      says,
    },
  ],
  clear: [
    { name: 'sections of RAM', given: {} },
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
