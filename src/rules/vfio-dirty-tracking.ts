import { any, not } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioDirtyTracking = deviceRule({
  id: 'vfio-dirty-tracking',
  title: 'Nothing tracks what the device writes',
  why: 'Somebody must see what the device writes: the device (DMA logging) or, on iommufd only and for newer QEMUs, the host IOMMU. Type1 does not count, since it calls every mapped page dirty on every pass; on takes that and only warns.',
  layer: 'device',
  behaviour: 'trackingDemand',
  effect: { auto: 'blocker', on: 'warning' },
  cases: {
    device: {
      message: "{device}: VFIO device doesn't support device dirty tracking",
      holds: ({ device }) => not(device.tracksDirtyPages),
    },
    'device-or-iommu': {
      message: "{device}: VFIO device doesn't support device and IOMMU dirty tracking",
      holds: ({ device }) => not(any(device.tracksDirtyPages, device.hwptTracksDirtyPages)),
    },
  },
  wordings: ["IOMMU instance for device {device} doesn't support dirty tracking"],
  liftedBy: [
    'iommufd',
    'enable-migration',
    'unplug-for-migration',
    'other-driver',
    'other-qemu',
    'other-kernel',
    'other-destination',
  ],
  source: { confidence: 'confirmed', read: ['d4a2af747d5a, 8.1', 'f48b472450ef, 9.1', '10.2.2', '11.1.3 run'] },
});
