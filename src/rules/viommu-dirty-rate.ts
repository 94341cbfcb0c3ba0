import { all, is, no } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';
import { behindViommu } from './viommu.ts';

export const viommuDirtyRate = deviceRule({
  id: 'viommu-dirty-rate',
  title: 'Measuring the dirty rate corrupts what it measures, and may crash QEMU',
  why: 'calc-dirty-rate and dirty-limit start VFIO’s dirty tracking without a migration, and even where migration is blocked. When the guest then leaves its domain, what stays mapped above 4 GiB is cleaned up later with a bitmap larger than the mapping, which is applied to guest memory from address 0; QEMU was seen to crash.',
  layer: 'qemu',
  behaviour: 'domainUnmap',
  effect: 'data-loss',
  behindViommu: true,
  trigger: 'dirty-rate',
  withoutMigration: true,
  cases: {
    'tracked-end-as-size': {
      message: null,
      holds: (here) =>
        here.device.type !== 'vfio-pci'
          ? no
          : behindViommu(here, ['intel'], () =>
              all(is(here.container.tracker, 'type1'), here.migration.mayHappen('domain-switch')),
            ),
    },
  },
  liftedBy: ['bypass-viommu', 'remove-viommu', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['11.1.3 run and disassembled'] },
});
