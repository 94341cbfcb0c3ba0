import { all, map } from '../descriptor/fact.ts';
import { otherRule } from './rule.ts';

export const nvmeFeatures = otherRule({
  id: 'nvme-features',
  title: 'The emulated NVMe controller has what cannot be migrated',
  why: 'QEMU migrates a plain NVMe controller but not all that it can be given; with SR-IOV every function is refused for itself, the virtual ones as well. Other features that it names were not seen.',
  layer: 'qemu',
  behaviour: 'nvmeMigration',
  effect: 'blocker',
  isAbout: (type) => type === 'nvme',
  cases: {
    'by-feature': {
      message: 'Migration is not supported for {features}',
      parameters: () => ({ features: 'SR-IOV' }),
      holds: ({ other }) =>
        all(
          map(other.property('sriov_max_vfs', 0), (count) => Number(count) > 0),
          other.isThere,
        ),
    },
  },
  liftedBy: ['device-feature-off', 'detach-device'],
  source: { confidence: 'confirmed', read: ['9d378cab537d, 11.1', '11.1.3 run'] },
});
