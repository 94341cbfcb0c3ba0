import { testRule } from './rule-tester.ts';

const two = {
  '/vm/machine': 'virt',
  '/vm/viommu': { model: 'smmuv3' },
  '/vm/otherDevices': [{ type: 'virtio-iommu-pci' }],
};

testRule('viommu-multiple-virt', {
  fires: [
    {
      name: 'smmuv3 and virtio-iommu',
      given: two,
      effect: 'start-failure',
      says: 'virt machine does not support multiple IOMMUs',
    },
  ],
  clear: [
    { name: 'one', given: { ...two, '/vm/otherDevices': [] } },
    { name: 'x86 says it in its own words', given: { ...two, '/vm/machine': 'q35' } },
  ],
  unknown: [{ name: 'machine unknown', given: { ...two, '/vm/machine': undefined }, lacks: ['/vm/machine'] }],
});
