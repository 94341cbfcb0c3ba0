import { constant } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioUser = deviceRule({
  id: 'vfio-user',
  title: 'The state of a vfio-user device is left behind',
  why: 'vfio-user-pci says neither how to migrate its device nor that it cannot be: QEMU migrates the VM and reports success, and the device’s state is not in it.',
  layer: 'qemu',
  effect: 'data-loss',
  always: {
    message: null,
    holds: ({ device }) => constant(device.type === 'vfio-user-pci'),
  },
  liftedBy: ['unplug-for-migration', 'fewer-devices'],
  source: { confidence: 'inferred', read: ['hw/vfio-user, 10.2.2'] },
});
