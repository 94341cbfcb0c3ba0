import { testRule } from './rule-tester.ts';

const amd = { '/vm/viommu': { model: 'amd' }, '/source/qemu': '10.0.2' };
const says = 'vfio 0000:3b:00.1: device … requires iommu notifier which is not currently supported';

testRule('viommu-amd-assignment', {
  fires: [
    { name: '10.0', given: amd, effect: 'start-failure', says },
    {
      name: '7.2, an mdev',
      given: { ...amd, '/source/qemu': '7.2', '/vm/vfio/0/type': 'mdev' },
      effect: 'start-failure',
      says,
    },
  ],
  clear: [
    { name: '10.2', given: { ...amd, '/source/qemu': '10.2.2' } },
    { name: 'the device bypasses the vIOMMU', given: { ...amd, '/vm/defaultBusBypassIommu': true } },
    { name: 'another model', given: { '/vm/viommu': { model: 'virtio' }, '/source/qemu': '10.0.2' } },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...amd, '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
