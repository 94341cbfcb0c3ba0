import { constant } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';
import { unmigratableWords } from './words.ts';

export const vfioApCcw = deviceRule({
  id: 'vfio-ap-ccw',
  title: 'The state of vfio-ap and vfio-ccw devices cannot be saved',
  why: 'Cryptographic adapters and channel devices of s390x have no migration support in VFIO, and QEMU marks their state as one that cannot be saved. That outranks every blocker.',
  layer: 'qemu',
  effect: 'blocker',
  vmState: true,
  always: {
    ...unmigratableWords,
    parameters: ({ device }) => ({ device: `…/${device.type}`, type: device.type }),
    holds: ({ device }) => constant(device.type === 'vfio-ap' || device.type === 'vfio-ccw'),
  },
  models: ['vfio-ap', 'vfio-ccw'],
  liftedBy: ['unplug-for-migration', 'fewer-devices'],
  source: { confidence: 'confirmed', read: ['hw/vfio/ap.c and ccw.c, 10.2.2'] },
});
