import { map } from '../descriptor/fact.ts';
import { PASID_BITS_MAX } from '../platform/machine.ts';
import { vmRule } from './rule.ts';
import { ofViommu } from './viommu.ts';
import { numeral } from './words.ts';

export const viommuPasidWidth = vmRule({
  id: 'viommu-pasid-width',
  title: 'PASIDs wider than PCI has them',
  why: 'PCI Express has PASIDs of 20 bits and no more. QEMU could not be told a width before it could be told a wrong one.',
  layer: 'qemu',
  behaviour: 'pasidProperty',
  effect: 'start-failure',
  cases: {
    width: {
      message: 'PASID width {bits} exceeds Max PASID Width {most} allowed in PCI spec',
      parameters: ({ vm: { viommu } }) => ({
        bits: numeral(viommu?.pasidBits),
        most: String(PASID_BITS_MAX),
      }),
      holds: ({ vm }) => ofViommu(vm, ['intel'], ({ pasidBits }) => map(pasidBits, (bits) => bits > PASID_BITS_MAX)),
    },
  },
  liftedBy: ['viommu-pasid-off', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['11.1.3 run'] },
});
