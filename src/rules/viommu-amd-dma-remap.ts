import { not } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';
import { behindViommu } from './viommu.ts';

export const viommuAmdDmaRemap = deviceRule({
  id: 'viommu-amd-dma-remap',
  title: 'amd-iommu without dma-remap ends QEMU once the guest turns translation on',
  why: 'amd-iommu tells VFIO of mappings only with dma-remap=on, which it is not by default. A device behind it starts untranslated, as was seen; when the guest has it translated, VFIO is refused what it needs and QEMU aborts.',
  layer: 'qemu',
  behaviour: 'amdAssignment',
  effect: 'migration-failure',
  behindViommu: true,
  trigger: 'domain-switch',
  withoutMigration: true,
  cases: {
    'dma-remap': {
      message: 'device {slot} requires dma-remap=1',
      parameters: () => ({ slot: '…' }),
      holds: (here) => behindViommu(here, ['amd'], ({ dmaRemap }) => not(dmaRemap)),
    },
  },
  liftedBy: ['viommu-dma-remap', 'bypass-viommu', 'remove-viommu'],
  source: { confidence: 'inferred', read: ['10.2.2', '11.1.3 binary and run'] },
});
