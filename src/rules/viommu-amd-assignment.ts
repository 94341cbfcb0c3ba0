import { yes } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';
import { behindViommu } from './viommu.ts';

export const viommuAmdAssignment = deviceRule({
  id: 'viommu-amd-assignment',
  title: 'amd-iommu takes no VFIO device',
  why: 'VFIO must be told of each mapping that the guest makes, and amd-iommu first told of none. QEMU refuses every VFIO device behind it.',
  layer: 'qemu',
  behaviour: 'amdAssignment',
  effect: 'start-failure',
  behindViommu: true,
  cases: {
    none: {
      message: 'device {slot} requires iommu notifier which is not currently supported',
      parameters: () => ({ slot: '…' }),
      holds: (here) => behindViommu(here, ['amd'], () => yes),
    },
  },
  liftedBy: ['other-qemu', 'bypass-viommu', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['10.0.2'] },
});
