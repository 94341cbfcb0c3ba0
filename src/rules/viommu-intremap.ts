import { all, is } from '../descriptor/fact.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import { vmRule } from './rule.ts';
import { irqchipIsInKernel, ofViommu } from './viommu.ts';

export const viommuIntremap = vmRule({
  id: 'viommu-intremap',
  title: 'Interrupt remapping with the whole interrupt controller in the kernel',
  why: 'KVM delivers interrupts of its own IOAPIC past the vIOMMU, which then has nothing to remap. QEMU leaves remapping off in that case unless it is asked for.',
  layer: 'qemu',
  effect: 'start-failure',
  always: {
    message: "Interrupt Remapping cannot work with kernel-irqchip=on, please use 'split|off'.",
    holds: ({ vm }: Scenario) =>
      ofViommu(vm, ['intel', 'amd'], ({ intremap }) => all(is(intremap, 'on'), irqchipIsInKernel(vm))),
  },
  liftedBy: ['kernel-irqchip-split', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['7.2', '10.0.2', '10.2.2', '11.1.3 binary'] },
});
