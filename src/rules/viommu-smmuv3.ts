import { any, is, not, yes } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';
import { behindViommu } from './viommu.ts';

export const viommuSmmuv3 = deviceRule({
  id: 'viommu-smmuv3',
  title: 'arm-smmuv3 does not take the device',
  why: 'An emulated arm-smmuv3 tells VFIO of no mapping, so that no VFIO device can sit behind it. With accel=on the guest’s tables are nested in the host’s instead, which takes iommufd.',
  layer: 'qemu',
  behaviour: 'smmuAccel',
  effect: 'start-failure',
  behindViommu: true,
  cases: {
    absent: { message: null, holds: (here) => behindViommu(here, ['smmuv3'], () => yes) },
    present: {
      message: null,
      holds: (here) =>
        behindViommu(here, ['smmuv3'], ({ accel }) => any(not(accel), is(here.device.backend, 'legacy'))),
    },
  },
  liftedBy: ['viommu-accel', 'iommufd', 'bypass-viommu', 'remove-viommu'],
  source: { confidence: 'inferred', read: ['10.2.2', '11.0 patches'] },
});
