import { intel48, testRule } from './rule-tester.ts';

const both = { '/vm/viommu': { ...intel48, scalableMode: true, pasidBits: 20, deviceIotlb: true } };

testRule('viommu-pasid-device-iotlb', {
  fires: [
    { name: '10.2', given: both, effect: 'start-failure', says: 'PASID based device IOTLB is not supported' },
    {
      name: '7.2',
      given: { ...both, '/source/qemu': '7.2' },
      effect: 'start-failure',
      says: 'PASID based device IOTLB is not supported',
    },
  ],
  clear: [
    { name: '11.1', given: { ...both, '/source/qemu': '11.1.3' } },
    { name: 'no PASIDs', given: { '/vm/viommu': { ...intel48, deviceIotlb: true } } },
    { name: 'no device IOTLB', given: { '/vm/viommu': { ...intel48, scalableMode: true, pasidBits: 20 } } },
    { name: 'no vIOMMU', given: {} },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...both, '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
