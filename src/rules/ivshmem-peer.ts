import { all, not } from '../descriptor/fact.ts';
import { otherRule } from './rule.ts';

export const ivshmemPeer = otherRule({
  id: 'ivshmem-peer',
  title: 'The guest’s shared memory belongs to others as well',
  why: 'As a peer of an ivshmem device the VM shares memory that others go on using, which cannot move with it. Only the master (master=on) takes the memory along; a device that is not told is a peer.',
  layer: 'qemu',
  effect: 'blocker',
  isAbout: (type) => /^ivshmem-(?:plain|doorbell)$/.test(type),
  always: {
    message: "Migration is disabled when using feature 'peer mode' in device 'ivshmem'",
    holds: ({ other }) => all(other.isThere, not(other.isOn('master', false))),
  },
  liftedBy: ['ivshmem-master', 'detach-device'],
  source: { confidence: 'confirmed', read: ['10.2.2', '7.2.22, 10.0.2 and 11.1.3 run'] },
});
