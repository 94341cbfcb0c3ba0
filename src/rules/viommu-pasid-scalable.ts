import { all, map, not } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';
import { ofViommu } from './viommu.ts';

export const viommuPasidScalable = vmRule({
  id: 'viommu-pasid-scalable',
  title: 'PASIDs without scalable mode',
  why: 'PASID tables are part of scalable mode, which legacy mode does not have. QEMU refuses the vIOMMU before a device is looked at.',
  layer: 'qemu',
  effect: 'start-failure',
  always: {
    message: 'Need to set scalable mode for PASID',
    holds: ({ vm }) =>
      ofViommu(vm, ['intel'], ({ pasidBits, scalableMode }) =>
        all(
          map(pasidBits, (bits) => bits > 0),
          not(scalableMode),
        ),
      ),
  },
  liftedBy: ['viommu-scalable-mode', 'viommu-pasid-off', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['7.2', '10.0.2', '10.2.2', '11.1.3 run'] },
});
