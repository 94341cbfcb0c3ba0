import { no, not } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';
import { behindViommu, ofViommu } from './viommu.ts';

export const viommuCachingMode = deviceRule({
  id: 'viommu-caching-mode',
  title: 'intel-iommu without caching mode',
  why: 'Without caching mode a guest does not tell intel-iommu about new mappings, and the host could not follow them. Older QEMUs exit once the machine is built; newer ones refuse a physical device, and let an mdev through.',
  layer: 'qemu',
  behaviour: 'cachingModeCheck',
  effect: 'start-failure',
  cases: {
    'at-exit': {
      message: 'We need to set caching-mode=on for intel-iommu to enable device assignment with IOMMU protection.',
      outsideRealize: true,
      once: true,
      holds: ({ vm }) => ofViommu(vm, ['intel'], ({ cachingMode }) => not(cachingMode)),
    },
    'at-realize': {
      message:
        'Failed to set vIOMMU: Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.',
      holds: (here) =>
        here.device.type === 'mdev' ? no : behindViommu(here, ['intel'], ({ cachingMode }) => not(cachingMode)),
    },
  },
  wordings: ['Device assignment is not allowed without enabling caching-mode=on for Intel IOMMU.'],
  liftedBy: ['viommu-caching-mode', 'bypass-viommu', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['7.2', '10.0.13 run', '10.2.2', '11.1.3 run'] },
});
