import { intel48, testRule } from './rule-tester.ts';

const intel = (more: object, qemu: string) => ({ '/vm/viommu': { ...intel48, ...more }, '/source/qemu': qemu });
const effect = 'start-failure' as const;
const notFound = (property: string): string => `Property '${property}' not found`;

testRule('qemu-property-absent', {
  fires: [
    { name: 'svm in 10.2', given: intel({ svm: true }, '10.2.2'), effect, says: notFound('intel-iommu.svm') },
    {
      name: '7.2 names svm before first-stage translation, which it does not have either',
      given: intel({ svm: true, firstStage: true }, '7.2.22'),
      effect,
      says: notFound('intel-iommu.svm'),
    },
    {
      name: 'first stage in 9.2',
      given: intel({ firstStage: true }, '9.2'),
      effect,
      says: notFound('intel-iommu.x-flts'),
    },
    {
      name: 'its pages in 7.2',
      given: intel({ firstStage1g: false }, '7.2'),
      effect,
      says: notFound('intel-iommu.fs1gp'),
    },
    {
      name: '11.1 has no switch for DMA draining any more',
      given: intel({ dmaDrain: false }, '11.1.3'),
      effect,
      says: notFound('intel-iommu.dma-drain'),
    },
    {
      name: 'a width of virtio-iommu in 7.2',
      given: { '/vm/viommu': { model: 'virtio', addressWidth: 39 }, '/source/qemu': '7.2' },
      effect,
      says: notFound('virtio-iommu-pci.aw-bits'),
    },
    {
      name: 'dma-remap in 10.0',
      given: { '/vm/viommu': { model: 'amd', dmaRemap: true }, '/source/qemu': '10.0' },
      effect,
      says: notFound('amd-iommu.dma-remap'),
    },
    {
      name: 'pci-id in 10.0',
      given: { '/vm/viommu': { model: 'amd', pciId: 'pci' }, '/source/qemu': '10.0' },
      effect,
      says: notFound('amd-iommu.pci-id'),
    },
  ],
  clear: [
    { name: 'no vIOMMU', given: {} },
    { name: 'what every QEMU has', given: intel({ scalableMode: true, pasidBits: 20, snoopControl: true }, '7.2') },
    { name: 'what a QEMU does that lacks the property', given: intel({ svm: false, firstStage: false }, '7.2') },
    { name: 'svm in 11.1', given: intel({ svm: true }, '11.1') },
    {
      name: 'the default width of virtio-iommu in 7.2',
      given: { '/vm/viommu': { model: 'virtio' }, '/source/qemu': '7.2' },
    },
  ],
  unknown: [
    {
      name: 'QEMU unknown',
      given: { '/vm/viommu': { ...intel48, svm: true }, '/source/qemu': undefined },
      lacks: ['/source/qemu'],
    },
  ],
});
