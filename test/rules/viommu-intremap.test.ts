import { intel48, testRule } from './rule-tester.ts';

const on = { '/vm/viommu': { ...intel48, intremap: true } };
const says = "Interrupt Remapping cannot work with kernel-irqchip=on, please use 'split|off'.";

testRule('viommu-intremap', {
  fires: [
    { name: 'as machines have it', given: on, effect: 'start-failure', says },
    { name: 'kernel-irqchip=on', given: { ...on, '/vm/kernelIrqchip': 'on' }, effect: 'start-failure', says },
    { name: 'amd-iommu', given: { '/vm/viommu': { model: 'amd', intremap: true } }, effect: 'start-failure', says },
  ],
  clear: [
    { name: 'split', given: { ...on, '/vm/kernelIrqchip': 'split' } },
    { name: 'off', given: { ...on, '/vm/kernelIrqchip': 'off' } },
    { name: 'TCG', given: { ...on, '/vm/accel': 'tcg' } },
    { name: 'left to QEMU', given: { '/vm/viommu': intel48 } },
    { name: 'no vIOMMU', given: {} },
  ],
  unknown: 'what is not given has a default',
});
