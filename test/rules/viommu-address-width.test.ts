import { intel48, testRule } from './rule-tester.ts';

const width = (addressWidth: number, qemu: string, more: object = {}) => ({
  '/vm/viommu': { ...intel48, addressWidth, ...more },
  '/source/qemu': qemu,
});
const effect = 'start-failure';

testRule('viommu-address-width', {
  fires: [
    { name: '7.2', given: width(57, '7.2'), effect, says: 'Supported values for aw-bits are: 39, 48' },
    {
      name: '7.2, scalable',
      given: width(40, '7.2.22', { scalableMode: true }),
      effect,
      says: 'Supported values for aw-bits are: 39, 48',
    },
    { name: '10.0', given: width(52, '10.0.2'), effect, says: 'Legacy mode: supported values for aw-bits are: 39, 48' },
    {
      name: '10.0, scalable',
      given: width(57, '10.0.2', { scalableMode: true }),
      effect,
      says: 'Scalable mode(flts=off): supported values for aw-bits are: 39, 48',
    },
    {
      name: '10.0, first stage',
      given: width(39, '10.0.2', { scalableMode: true, firstStage: true }),
      effect,
      says: 'Scalable mode(flts=on): supported value for aw-bits is: 48',
    },
    { name: '11.1', given: width(52, '11.1.3'), effect, says: 'Legacy mode: supported values for aw-bits are: 39, 48' },
    {
      name: '11.1, scalable',
      given: width(57, '11.1.3', { scalableMode: true }),
      effect,
      says: 'Scalable mode(fsts=off): supported values for aw-bits are: 39, 48',
    },
    {
      name: '11.1, first stage',
      given: width(39, '11.1', { scalableMode: true, firstStage: true }),
      effect,
      says: 'Scalable mode(fsts=on): supported value for aw-bits is: 48',
    },
  ],
  clear: [
    { name: '39', given: width(39, '10.2.2') },
    { name: '48', given: width(48, '10.2.2') },
    { name: '7.2 knows no first stage, and so no width of it', given: width(39, '7.2', { firstStage: true }) },
    { name: 'virtio-iommu has others', given: { '/vm/viommu': { model: 'virtio', addressWidth: 57 } } },
    { name: 'no vIOMMU', given: {} },
    {
      name: 'a default that is not known, of a distribution’s machine type',
      given: { '/vm/viommu': { model: 'intel', cachingMode: true }, '/vm/machine': 'pc-q35-rhel9.6.0' },
    },
  ],
  unknown: 'a width that is not given is a default, which QEMU has',
});
