import { any, not } from '../descriptor/fact.ts';
import { vmRule, type Case } from './rule.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import { ofViommu } from './viommu.ts';

const words = {
  message: 'non-migratable device: amd-iommu',
  migrateMessage: "State blocked by non-migratable device 'amd-iommu'",
  onlyMigratableMessage: 'Device amd-iommu is not migratable, but --only-migratable was specified',
} satisfies Partial<Case<Scenario>>;

export const viommuAmdMigration = vmRule({
  id: 'viommu-amd-migration',
  title: 'amd-iommu itself cannot be migrated',
  why: 'amd-iommu brings a PCI device of its own along, which no migration stream can name. Made with an AMDVI-PCI device from the command line it can be migrated, though -only-migratable refuses even that.',
  layer: 'qemu',
  behaviour: 'amdMigration',
  effect: 'blocker',
  vmState: true,
  cases: {
    never: {
      ...words,
      holds: ({ vm }) => ofViommu(vm, ['amd'], () => vm.hasViommu),
    },
    'with-pci-id': {
      ...words,
      holds: ({ vm }) => ofViommu(vm, ['amd'], ({ hasPciId }) => any(not(hasPciId), vm.onlyMigratable)),
    },
  },
  liftedBy: ['viommu-pci-id', 'other-qemu', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['7.2.22, 10.0.2 and 11.1.3 run', 'amdvi_sysbus_realize, 10.2.2'] },
});
