import { all, choose, not, yes } from '../descriptor/fact.ts';
import { otherRule } from './rule.ts';

export const vhostLog = otherRule({
  id: 'vhost-log',
  title: 'The vhost backend cannot log what it writes',
  why: 'A vhost backend writes guest memory behind QEMU’s back and must log which pages it wrote (VHOST_F_LOG_ALL), or a migration would miss them. QEMU says one thing only against a backend: what a vhost-user process lacks to share its log comes first.',
  layer: 'device',
  effect: 'blocker',
  modes: 'normal',
  isAbout: (type) => /^(?:vhost-|virtio-net)/.test(type),
  always: {
    message: 'Migration disabled: vhost lacks VHOST_F_LOG_ALL feature.',
    holds: ({ other }) =>
      choose(other.servedBy, (by) =>
        by === 'host'
          ? not(other.backend('log-all', true))
          : all(not(other.backend('log-all')), by === 'vhost-user' ? other.backend('log-shmfd') : yes),
      ),
  },
  liftedBy: ['other-backend', 'detach-device'],
  source: { confidence: 'confirmed', read: ['vhost_dev_init, 10.2.2', '11.1.3 binary'] },
});
