import { testRule } from './rule-tester.ts';

const width = (addressWidth?: number) => ({ '/vm/viommu': { model: 'virtio', addressWidth } });

testRule('viommu-virtio-address-width', {
  fires: [{ name: '31 bits', given: width(31), effect: 'start-failure', says: 'aw-bits must be within [32,64]' }],
  clear: [
    { name: '32 bits', given: width(32) },
    { name: '64 bits', given: width(64) },
    { name: 'the default', given: width() },
    {
      name: 'a default that is not known, of a distribution’s machine type',
      given: { ...width(), '/vm/machine': 'pc-q35-rhel9.6.0' },
    },
    { name: '7.2 takes no width, in other words', given: { ...width(31), '/source/qemu': '7.2' } },
    { name: 'intel-iommu has others', given: { '/vm/viommu': { model: 'intel', addressWidth: 31 } } },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...width(31), '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
