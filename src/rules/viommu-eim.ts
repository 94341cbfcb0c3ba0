import { all, any, is } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';
import { irqchipIsInKernel, ofViommu } from './viommu.ts';

export const viommuEim = vmRule({
  id: 'viommu-eim',
  title: 'Extended interrupt mode without interrupt remapping',
  why: 'Extended interrupt mode widens the destination ids of remapped interrupts, so that there is none without remapping. Left to QEMU, remapping is off where KVM has the whole interrupt controller.',
  layer: 'qemu',
  effect: 'start-failure',
  always: {
    message: 'eim=on cannot be selected without intremap=on',
    holds: ({ vm }) =>
      ofViommu(vm, ['intel'], ({ eim, intremap }) =>
        all(eim, any(is(intremap, 'off'), all(is(intremap, 'auto'), irqchipIsInKernel(vm)))),
      ),
  },
  liftedBy: ['viommu-eim-off', 'kernel-irqchip-split', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['7.2.22, 10.0.2 and 11.1.3 run'] },
});
