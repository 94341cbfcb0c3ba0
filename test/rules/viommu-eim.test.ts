import { intel48, testRule } from './rule-tester.ts';

const eim = (more: object) => ({ '/vm/viommu': { ...intel48, eim: true, ...more } });
const effect = 'start-failure' as const;
const says = 'eim=on cannot be selected without intremap=on';

testRule('viommu-eim', {
  fires: [
    { name: 'remapping off', given: { ...eim({ intremap: false }), '/vm/kernelIrqchip': 'split' }, effect, says },
    { name: 'remapping off, TCG', given: { ...eim({ intremap: false }), '/vm/accel': 'tcg' }, effect, says },
    { name: 'remapping left to QEMU, which has it off with KVM’s own controller', given: eim({}), effect, says },
    { name: '7.2', given: { ...eim({ intremap: false }), '/source/qemu': '7.2.22' }, effect, says },
  ],
  clear: [
    { name: 'remapping on', given: { ...eim({ intremap: true }), '/vm/kernelIrqchip': 'split' } },
    { name: 'remapping left to QEMU, split controller', given: { ...eim({}), '/vm/kernelIrqchip': 'split' } },
    { name: 'remapping left to QEMU, TCG', given: { ...eim({}), '/vm/accel': 'tcg' } },
    { name: 'left to QEMU', given: { '/vm/viommu': { ...intel48, intremap: false } } },
    { name: 'another model', given: { '/vm/viommu': { model: 'virtio' } } },
  ],
  unknown: 'what is not given has a default',
});
