import { intel48, testRule } from './rule-tester.ts';

const two = { '/vm/viommu': intel48, '/vm/otherDevices': [{ type: 'virtio-iommu-pci' }] };

testRule('viommu-multiple', {
  fires: [
    {
      name: 'intel-iommu and virtio-iommu',
      given: two,
      effect: 'start-failure',
      says: 'QEMU does not support multiple vIOMMUs for x86 yet.',
    },
  ],
  clear: [
    { name: 'one', given: { '/vm/viommu': intel48 } },
    { name: 'another device', given: { ...two, '/vm/otherDevices': [{ type: 'virtio-net-pci' }] } },
    { name: 'a virt machine says it in its own words', given: { ...two, '/vm/machine': 'virt' } },
  ],
  unknown: [{ name: 'machine unknown', given: { ...two, '/vm/machine': undefined }, lacks: ['/vm/machine'] }],
});
