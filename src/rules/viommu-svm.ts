import { all, map, not, type Truth } from '../descriptor/fact.ts';
import type { Viommu } from '../descriptor/vm.ts';
import { vmRule } from './rule.ts';
import { ofViommu } from './viommu.ts';

const hasPasids = ({ pasidBits }: Viommu): Truth => map(pasidBits, (bits) => bits > 0);

/** QEMU's name for the first thing that is missing; all of them are known, given or by default. */
function firstMissing(viommu: Viommu): string | undefined {
  const needed: readonly [string, Truth][] = [
    ['device IOTLB', viommu.deviceIotlb],
    ['fsts', viommu.firstStage],
    ['dma-translation', viommu.dmaTranslation],
    ['PASID support', hasPasids(viommu)],
  ];
  return needed.find(([, truth]) => truth.known && !truth.value)?.[0];
}

export const viommuSvm = vmRule({
  id: 'viommu-svm',
  title: 'Shared virtual memory lacks what it is made of',
  why: 'A device that shares a process’s virtual memory caches translations, walks first-stage tables and tells address spaces apart by PASID. QEMU names the first of these that is off.',
  layer: 'qemu',
  behaviour: 'svmProperty',
  effect: 'start-failure',
  cases: {
    present: {
      message: 'Need to set {what} for svm',
      parameters: ({ vm: { viommu } }) => ({ what: viommu && firstMissing(viommu) }),
      holds: ({ vm }) =>
        ofViommu(vm, ['intel'], (viommu) =>
          all(viommu.svm, not(all(viommu.deviceIotlb, viommu.firstStage, viommu.dmaTranslation, hasPasids(viommu)))),
        ),
    },
  },
  liftedBy: ['viommu-svm-off', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['11.1.3 binary and run'] },
});
