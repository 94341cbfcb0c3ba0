import { all } from '../descriptor/fact.ts';
import { deviceRule, refusal } from './rule.ts';

export const vfioViommu = deviceRule({
  id: 'vfio-viommu',
  title: 'The device sits behind a vIOMMU',
  why: 'A vIOMMU gives the device an address space of its own, which DMA logging would have to cover whole; QEMU first refused every device behind one, and now only those that do DMA logging. What the guest does with the vIOMMU (iommu=pt, off) does not matter.',
  layer: 'qemu',
  behaviour: 'viommuBlock',
  effect: refusal,
  cases: {
    'any-device': {
      message: 'Migration is currently not supported with vIOMMU enabled',
      once: true,
      holds: ({ device }) => device.soFar.behindViommu,
    },
    'each-device': {
      message: '{device}: Migration is currently not supported with vIOMMU enabled',
      holds: ({ device }) => device.behindViommu,
    },
    'device-tracking': {
      message: '{device}: Migration is currently not supported with vIOMMU enabled',
      holds: ({ device }) => all(device.behindViommu, device.tracksDirtyPages),
    },
  },
  liftedBy: ['bypass-viommu', 'device-dirty-tracking-off', 'other-qemu', 'remove-viommu', 'unplug-for-migration'],
  source: {
    confidence: 'confirmed',
    read: ['e46883204c38, 8.0', '3c26c80a0a26, 8.1', '10.2.2', '0e3c1e2b2b24, 11.0', '11.1.3 run'],
  },
});
