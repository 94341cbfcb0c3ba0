import { all, any, is } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';
import { ofViommu } from './viommu.ts';

export const viommuSmmuv3Accel = vmRule({
  id: 'viommu-smmuv3-accel',
  title: 'An accelerated arm-smmuv3 without KVM and its interrupt controller',
  why: 'With accel=on the guest’s own tables are nested in the host’s, and the device’s interrupts are KVM’s to deliver. QEMU refuses the vIOMMU before a device is looked at.',
  layer: 'qemu',
  behaviour: 'smmuAccel',
  effect: 'start-failure',
  cases: {
    present: {
      message: 'SMMUv3 accel=on requires KVM with kernel-irqchip=on support',
      holds: ({ vm }) =>
        ofViommu(vm, ['smmuv3'], ({ accel }) =>
          all(accel, any(is(vm.accel, 'tcg'), is(vm.kernelIrqchip, 'off', 'split'))),
        ),
    },
  },
  wordings: ['oas must be 44 bits when accel=off', 'ril can only be disabled if accel=on'],
  liftedBy: ['remove-viommu'],
  source: { confidence: 'confirmed', read: ['11.1.3 run'] },
});
