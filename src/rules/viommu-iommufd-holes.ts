import { is } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';
import { behindViommu } from './viommu.ts';

export const viommuIommufdHoles = deviceRule({
  id: 'viommu-iommufd-holes',
  title: 'Dirty bits behind a hole are not read when a page table goes',
  why: 'A guest that clears a whole page table makes intel-iommu unmap all that it covered at once, holes included. The kernel’s walk for the dirty bitmap stops at the first hole and reports success, so that what lies behind it counts as clean.',
  layer: 'kernel',
  behaviour: 'iommufdUnmap',
  effect: 'data-loss',
  behindViommu: true,
  trigger: 'guest-unmap',
  cases: {
    'query-first': {
      message: null,
      holds: (here) => behindViommu(here, ['intel'], () => is(here.container.tracker, 'iommu')),
    },
  },
  liftedBy: ['bypass-viommu', 'remove-viommu', 'unplug-for-migration'],
  source: { confidence: 'inferred', read: ['iommu_read_and_clear_dirty, Linux 7.1.8, measured', '11.0 patches'] },
});
