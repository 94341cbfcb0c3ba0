import { deviceRule } from './rule.ts';
import { behindViommu } from './viommu.ts';

export const viommuSnoopControl = deviceRule({
  id: 'viommu-snoop-control',
  title: 'Snoop control ends QEMU once the guest turns translation on',
  why: 'intel-iommu with snoop control lets nobody listen to its mappings, and VFIO must listen as soon as the guest turns translation on. Until then the VM runs; then QEMU says so and aborts.',
  layer: 'qemu',
  effect: 'migration-failure',
  behindViommu: true,
  trigger: 'domain-switch',
  withoutMigration: true,
  always: {
    message: 'Snoop Control with vhost or VFIO is not supported',
    holds: (here) => behindViommu(here, ['intel'], ({ snoopControl }) => snoopControl),
  },
  liftedBy: ['viommu-snoop-control-off', 'bypass-viommu', 'remove-viommu'],
  source: { confidence: 'inferred', read: ['7.2', '10.0.2', '10.2.2', '11.1.3 binary'] },
});
