import { intel48, testRule } from './rule-tester.ts';

const old = { '/vm/viommu': { ...intel48, eim: true, intremap: true }, '/source/qemu': '7.2.22' };
const says = 'eim=on requires accel=kvm,kernel-irqchip=split';

testRule('viommu-eim-irqchip', {
  fires: [
    { name: '7.2, TCG', given: { ...old, '/vm/accel': 'tcg' }, effect: 'start-failure', says },
    { name: '7.2, KVM’s own controller', given: old, effect: 'start-failure', says },
  ],
  clear: [
    { name: 'split', given: { ...old, '/vm/kernelIrqchip': 'split' } },
    { name: '10.0 takes TCG', given: { ...old, '/vm/accel': 'tcg', '/source/qemu': '10.0.2' } },
    { name: 'left to QEMU', given: { ...old, '/vm/viommu': intel48 } },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...old, '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
