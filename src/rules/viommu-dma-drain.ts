import { all, not } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';
import { ofViommu } from './viommu.ts';

export const viommuDmaDrain = vmRule({
  id: 'viommu-dma-drain',
  title: 'Scalable mode without DMA draining',
  why: 'In scalable mode the hardware drains DMA whenever translations are invalidated, and so must intel-iommu. Later QEMUs always do.',
  layer: 'qemu',
  behaviour: 'dmaDrainProperty',
  effect: 'start-failure',
  cases: {
    present: {
      message: 'Need to set dma_drain for scalable mode',
      holds: ({ vm }) => ofViommu(vm, ['intel'], ({ scalableMode, dmaDrain }) => all(scalableMode, not(dmaDrain))),
    },
  },
  liftedBy: ['viommu-dma-drain', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['7.2', '10.0.2', '10.2.2', '11.1.3 binary'] },
});
