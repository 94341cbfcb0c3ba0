import { testRule } from './rule-tester.ts';

const off = { '/vm/viommu': { model: 'amd', pciId: 'amdvi0' } };

testRule('viommu-amd-dma-remap', {
  fires: [
    {
      name: 'off by default: the guest may turn translation on',
      given: off,
      effect: 'migration-failure',
      says: 'device … requires dma-remap=1',
    },
  ],
  clear: [
    { name: 'on', given: { '/vm/viommu': { model: 'amd', dmaRemap: true } } },
    { name: '10.0 takes no device at all', given: { ...off, '/source/qemu': '10.0' } },
    { name: 'the device bypasses the vIOMMU', given: { ...off, '/vm/defaultBusBypassIommu': true } },
    { name: 'the guest is known not to', given: { ...off, '/migration/guestEvents': [] } },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...off, '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
