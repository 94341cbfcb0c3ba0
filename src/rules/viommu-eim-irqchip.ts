import { all, is, not } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';
import { ofViommu } from './viommu.ts';

export const viommuEimIrqchip = vmRule({
  id: 'viommu-eim-irqchip',
  title: 'Extended interrupt mode needs KVM’s help',
  why: 'KVM must route interrupts to the wide destination ids of extended interrupt mode. QEMU first took it with KVM and a split interrupt controller only, and still asks KVM for the interface, which every kernel of today has.',
  layer: 'qemu',
  behaviour: 'eimDemand',
  effect: 'start-failure',
  cases: {
    'kvm-split': {
      message: 'eim=on requires accel=kvm,kernel-irqchip=split',
      holds: ({ vm }) =>
        ofViommu(vm, ['intel'], ({ eim }) => all(eim, not(all(is(vm.accel, 'kvm'), is(vm.kernelIrqchip, 'split'))))),
    },
  },
  wordings: ['eim=on requires support on the KVM side(X2APIC_API, first shipped in v4.7)'],
  liftedBy: ['viommu-eim-off', 'kernel-irqchip-split', 'other-qemu', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['7.2.22 run', '10.0.2 run', '10.2.2', '11.1.3 run'] },
});
