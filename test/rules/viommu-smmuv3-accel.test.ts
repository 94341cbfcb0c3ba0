import { testRule } from './rule-tester.ts';

const accel = { '/vm/viommu': { model: 'smmuv3', accel: true }, '/vm/machine': 'virt', '/source/qemu': '11.1.3' };
const says = 'SMMUv3 accel=on requires KVM with kernel-irqchip=on support';

testRule('viommu-smmuv3-accel', {
  fires: [
    { name: 'TCG', given: { ...accel, '/vm/accel': 'tcg' }, effect: 'start-failure', says },
    {
      name: 'QEMU’s own interrupt controller',
      given: { ...accel, '/vm/kernelIrqchip': 'off' },
      effect: 'start-failure',
      says,
    },
    {
      name: 'an interrupt controller that is split',
      given: { ...accel, '/vm/kernelIrqchip': 'split' },
      effect: 'start-failure',
      says,
    },
  ],
  clear: [
    { name: 'KVM', given: accel },
    { name: 'not accelerated', given: { ...accel, '/vm/viommu/accel': false, '/vm/accel': 'tcg' } },
    {
      name: 'another model',
      given: { '/vm/viommu': { model: 'virtio' }, '/vm/accel': 'tcg', '/source/qemu': '11.1.3' },
    },
  ],
  unknown: [
    {
      name: 'QEMU unknown',
      given: { ...accel, '/vm/accel': 'tcg', '/source/qemu': undefined },
      lacks: ['/source/qemu'],
    },
  ],
});
