import { logRule } from './rule.ts';

export const viommuDeviceIotlb = logRule({
  id: 'viommu-device-iotlb',
  title: 'A vhost device needs the vIOMMU’s device IOTLB',
  why: 'vhost caches translations like a device with ATS and must be told when they end. VFIO follows the mappings themselves and does not ask for it.',
  layer: 'qemu',
  effect: 'start-failure',
  wordings: ['device {slot} requires device IOTLB mode'],
  liftedBy: ['remove-viommu'],
  source: { confidence: 'confirmed', read: ['10.0.2', '10.2.2', '11.1.3 binary'] },
});
