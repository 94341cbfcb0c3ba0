import { intel48, testRule } from './rule-tester.ts';

const wide = { '/vm/viommu': { ...intel48, scalableMode: true, pasidBits: 21 }, '/source/qemu': '11.1.3' };

testRule('viommu-pasid-width', {
  fires: [
    {
      name: '21 bits',
      given: wide,
      effect: 'start-failure',
      says: 'PASID width 21 exceeds Max PASID Width 20 allowed in PCI spec',
    },
  ],
  clear: [
    { name: '20 bits', given: { ...wide, '/vm/viommu/pasidBits': 20 } },
    { name: '10.2 is told no width', given: { ...wide, '/source/qemu': '10.2.2' } },
    { name: 'no vIOMMU', given: { ...wide, '/vm/viommu': null } },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...wide, '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
