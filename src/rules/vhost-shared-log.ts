import { logRule } from './rule.ts';

export const vhostSharedLog = logRule({
  id: 'vhost-shared-log',
  title: 'No shared memory for a vhost log',
  why: 'The log of dirty pages that QEMU shares with a vhost backend is memory with a file descriptor (memfd), and the host gave none. What a running host grants no descriptor tells in advance.',
  layer: 'kernel',
  effect: 'blocker',
  modes: 'normal',
  wordings: ['Migration disabled: failed to allocate shared memory'],
  liftedBy: ['other-kernel', 'other-destination', 'detach-device'],
  source: { confidence: 'confirmed', read: ['vhost_dev_init, 10.2.2', '11.1.3 binary'] },
});
