import { all, is, not } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioIommufdKernel = deviceRule({
  id: 'vfio-iommufd-kernel',
  title: 'The host’s kernel offers no iommufd',
  why: 'iommufd came later than type1, and some distributions build kernels without it even now. Without /dev/iommu QEMU cannot attach the device.',
  layer: 'kernel',
  effect: 'start-failure',
  always: {
    message: null,
    holds: ({ device, host }) => all(is(device.backend, 'iommufd'), not(host.hasIommufd)),
  },
  liftedBy: ['legacy-backend', 'other-kernel', 'other-destination'],
  source: {
    confidence: 'confirmed',
    read: ['configuration of Debian’s 6.1 and 6.12.107', '7.3.4 run without /dev/iommu'],
  },
});
