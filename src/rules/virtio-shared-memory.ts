import { all } from '../descriptor/fact.ts';
import { otherRule } from './rule.ts';

export const virtioSharedMemory = otherRule({
  id: 'virtio-shared-memory',
  title: 'The vhost-user device has shared memory regions',
  why: 'What a vhost-user process maps into the VIRTIO shared memory regions of its device QEMU cannot map again on another host. QEMUs that do not know such regions have nothing against them.',
  layer: 'device',
  behaviour: 'virtioSharedMemory',
  effect: 'blocker',
  modes: 'normal',
  isAbout: (type) => type.startsWith('vhost-user-'),
  cases: {
    blocks: {
      message: 'Migration disabled: devices with VIRTIO Shared Memory Regions do not support migration yet.',
      holds: ({ other }) => all(other.isThere, other.backend('shared-memory-regions')),
    },
  },
  liftedBy: ['other-backend', 'detach-device'],
  source: { confidence: 'confirmed', read: ['11.1.3 binary'] },
});
