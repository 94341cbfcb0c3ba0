import { choose, no, not } from '../descriptor/fact.ts';
import { otherRule } from './rule.ts';

export const vhostUserLog = otherRule({
  id: 'vhost-user-log',
  title: 'The vhost-user process cannot share its log of dirty pages',
  why: 'A vhost-user process logs what it writes into memory that QEMU hands it by file descriptor (VHOST_USER_PROTOCOL_F_LOG_SHMFD). Without that QEMU never learns which pages it wrote.',
  layer: 'device',
  effect: 'blocker',
  modes: 'normal',
  isAbout: (type) => /^(?:vhost-user-|virtio-net)/.test(type),
  always: {
    message: 'Migration disabled: vhost-user backend lacks VHOST_USER_PROTOCOL_F_LOG_SHMFD feature.',
    holds: ({ other }) => choose(other.servedBy, (by) => (by === 'vhost-user' ? not(other.backend('log-shmfd')) : no)),
  },
  liftedBy: ['other-backend', 'detach-device'],
  source: { confidence: 'confirmed', read: ['vhost_user_backend_init, 10.2.2', '11.1.3 binary'] },
});
