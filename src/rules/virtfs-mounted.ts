import { all } from '../descriptor/fact.ts';
import { otherRule } from './rule.ts';

export const virtfsMounted = otherRule({
  id: 'virtfs-mounted',
  title: 'The guest has a 9p share mounted',
  why: 'Which files the guest has open on a 9p share is known to this QEMU alone. A share that is not mounted is no obstacle.',
  layer: 'qemu',
  effect: 'blocker',
  whileRunning: true,
  isAbout: (type) => /^virtio-9p(?:-|$)/.test(type),
  always: {
    message: "Migration is disabled when VirtFS export path '{path}' is mounted in the guest using mount_tag '{tag}'",
    parameters: ({ other }) => ({
      path: String(other.property('fsdev.path', '…').value),
      tag: String(other.property('mount_tag', '…').value),
    }),
    holds: ({ other, vm }) => all(other.isThere, vm.has9pMounted),
  },
  liftedBy: ['unmount-9p', 'detach-device'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 run'] },
});
