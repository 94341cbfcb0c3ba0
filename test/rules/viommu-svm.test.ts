import { intel48, testRule } from './rule-tester.ts';

const complete = {
  ...intel48,
  svm: true,
  deviceIotlb: true,
  scalableMode: true,
  firstStage: true,
  dmaTranslation: true,
  pasidBits: 20,
};
const without = (more: object) => ({ '/vm/viommu': { ...complete, ...more }, '/source/qemu': '11.1.3' });
const effect = 'start-failure' as const;

testRule('viommu-svm', {
  fires: [
    {
      name: 'nothing but svm',
      given: { '/vm/viommu': { ...intel48, svm: true }, '/source/qemu': '11.1.3' },
      effect,
      says: 'Need to set device IOTLB for svm',
    },
    {
      name: 'no device IOTLB',
      given: without({ deviceIotlb: false }),
      effect,
      says: 'Need to set device IOTLB for svm',
    },
    { name: 'no first stage', given: without({ firstStage: false }), effect, says: 'Need to set fsts for svm' },
    {
      name: 'no translation',
      given: without({ dmaTranslation: false }),
      effect,
      says: 'Need to set dma-translation for svm',
    },
    { name: 'no PASIDs', given: without({ pasidBits: 0 }), effect, says: 'Need to set PASID support for svm' },
  ],
  clear: [
    { name: 'all there', given: without({}) },
    { name: 'off', given: without({ svm: false, pasidBits: 0 }) },
    { name: '10.2 has none, in other words', given: { ...without({ pasidBits: 0 }), '/source/qemu': '10.2.2' } },
  ],
  unknown: [
    {
      name: 'QEMU unknown',
      given: { ...without({ pasidBits: 0 }), '/source/qemu': undefined },
      lacks: ['/source/qemu'],
    },
  ],
});
