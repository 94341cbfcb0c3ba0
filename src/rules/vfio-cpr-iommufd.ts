import { all, is, not } from '../descriptor/fact.ts';
import { containerRule } from './rule.ts';

export const vfioCprIommufd = containerRule({
  id: 'vfio-cpr-iommufd',
  title: 'This kernel cannot hand iommufd’s memory to a new QEMU',
  why: 'CPR hands devices to a new QEMU process, to which iommufd must move its accounting of locked memory (IOMMU_IOAS_CHANGE_PROCESS). Kernels before that ioctl cannot.',
  layer: 'kernel',
  behaviour: 'cprModes',
  effect: 'blocker',
  modes: 'cpr-transfer',
  cases: {
    transfer: {
      message: 'vfio iommufd backend does not support IOMMU_IOAS_CHANGE_PROCESS',
      holds: ({ container, host }) => all(is(container.backend, 'iommufd'), not(host.changesProcess)),
    },
  },
  liftedBy: ['normal-mode', 'legacy-backend', 'other-kernel'],
  source: { confidence: 'confirmed', read: ['hw/vfio/cpr-iommufd.c, 10.2.2', 'Linux 6.12 and 7.1.8'] },
});
