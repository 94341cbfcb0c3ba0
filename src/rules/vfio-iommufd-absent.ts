import { is } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioIommufdAbsent = deviceRule({
  id: 'vfio-iommufd-absent',
  title: 'This QEMU has no iommufd backend',
  why: 'QEMU first knew VFIO containers only, and learned iommufd later. A device that asks for it is refused as its property is set.',
  layer: 'qemu',
  behaviour: 'iommufdUnmap',
  effect: 'start-failure',
  cases: {
    absent: {
      message: "Property 'vfio-pci.iommufd' not found",
      beforeRealize: true,
      holds: ({ device }) => is(device.backend, 'iommufd'),
    },
  },
  liftedBy: ['legacy-backend', 'other-qemu', 'other-destination'],
  source: { confidence: 'confirmed', read: ['7.2.22 run', '9.0 patches'] },
});
