import { no, not } from '../descriptor/fact.ts';
import { errors } from '../simulator/index.ts';
import { deviceRule } from './rule.ts';
import { behindViommu } from './viommu.ts';

export const viommuCachingModeMdev = deviceRule({
  id: 'viommu-caching-mode-mdev',
  title: 'An mdev without caching mode ends QEMU once the guest turns translation on',
  why: 'An mdev has no host IOMMU, so that QEMU does not ask for caching mode as it plugs one in. It needs the guest to tell of new mappings all the same, and QEMU aborts when translation is turned on and nobody will.',
  layer: 'qemu',
  behaviour: 'cachingModeCheck',
  effect: 'migration-failure',
  behindViommu: true,
  trigger: 'domain-switch',
  withoutMigration: true,
  cases: {
    'at-realize': {
      message: 'device {slot} requires caching mode: {strerror}',
      parameters: () => ({ slot: '…', strerror: errors.EOPNOTSUPP.text }),
      holds: (here) =>
        here.device.type === 'mdev' ? behindViommu(here, ['intel'], ({ cachingMode }) => not(cachingMode)) : no,
    },
  },
  wordings: ['vfio: DMA mapping failed, unable to continue'],
  liftedBy: ['viommu-caching-mode', 'bypass-viommu', 'remove-viommu'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 run'] },
});
