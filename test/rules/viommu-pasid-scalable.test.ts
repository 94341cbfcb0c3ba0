import { intel48, testRule } from './rule-tester.ts';

const pasids = { '/vm/viommu': { ...intel48, pasidBits: 20 } };
const says = 'Need to set scalable mode for PASID';

testRule('viommu-pasid-scalable', {
  fires: [
    { name: '11.1', given: { ...pasids, '/source/qemu': '11.1.3' }, effect: 'start-failure', says },
    { name: '7.2', given: { ...pasids, '/source/qemu': '7.2' }, effect: 'start-failure', says },
  ],
  clear: [
    { name: 'scalable', given: { '/vm/viommu': { ...intel48, pasidBits: 20, scalableMode: true } } },
    { name: 'no PASIDs', given: { '/vm/viommu': { ...intel48, pasidBits: 0 } } },
    { name: 'no vIOMMU', given: {} },
  ],
  unknown: 'what is not given has a default',
});
