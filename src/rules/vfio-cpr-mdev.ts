import { constant, is, all } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioCprMdev = deviceRule({
  id: 'vfio-cpr-mdev',
  title: 'An mdev on iommufd cannot be handed to a new QEMU',
  why: 'CPR moves the HWPTs of iommufd devices to a new QEMU process, and an mdev has none. Other modes do not mind.',
  layer: 'qemu',
  behaviour: 'cprModes',
  effect: 'blocker',
  modes: 'cpr-transfer',
  cases: {
    transfer: {
      message: 'CPR does not support vfio mdev {device}',
      holds: ({ device }) => all(constant(device.type === 'mdev'), is(device.backend, 'iommufd')),
    },
  },
  liftedBy: ['normal-mode', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['hw/vfio/iommufd.c, 10.2.2', '11.1.3 run'] },
});
