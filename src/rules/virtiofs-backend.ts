import { all, is, not } from '../descriptor/fact.ts';
import { otherRule } from './rule.ts';

export const virtiofsBackend = otherRule({
  id: 'virtiofs-backend',
  title: 'The virtiofs backend cannot hand over its state',
  why: 'Which files the guest has open on a virtiofs share only its backend knows, and QEMU asks it for that when the migration is about to end. A backend without that ability fails the migration there: nothing is said before.',
  layer: 'device',
  effect: 'migration-failure',
  isAbout: (type) => /^vhost-user-fs(?:-|$)/.test(type),
  always: {
    message: 'Back-end of {type} device {path} (tag: "{tag}") does not support migration through qemu',
    parameters: ({ other }) => ({
      type: '…',
      path: '…',
      tag: String(other.property('tag', '<none>').value),
    }),
    holds: ({ other }) =>
      all(is(other.property('migration', 'internal'), 'internal'), not(other.backend('device-state')), other.isThere),
  },
  liftedBy: ['other-backend', 'detach-device'],
  source: { confidence: 'confirmed', read: ['hw/virtio/vhost-user-fs.c, 10.2.2', '11.1.3 binary'] },
});
