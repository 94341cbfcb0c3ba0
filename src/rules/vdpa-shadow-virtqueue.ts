import { all, is, not } from '../descriptor/fact.ts';
import { otherRule } from './rule.ts';

export const vdpaShadowVirtqueue = otherRule({
  id: 'vdpa-shadow-virtqueue',
  title: 'The vDPA device has features that a shadow virtqueue does not',
  why: 'QEMU learns what a vDPA device writes by putting a virtqueue of its own between device and guest while migration runs, and that knows some features only. With x-svq=on it is always there, and the guest has no other features from the start.',
  layer: 'device',
  effect: 'blocker',
  modes: 'normal',
  isAbout: (type) => type.startsWith('virtio-net'),
  always: {
    message: 'vdpa svq does not work with features {features}',
    parameters: () => ({ features: '0x…' }),
    holds: ({ other }) =>
      all(
        is(other.servedBy, 'vhost-vdpa'),
        not(other.isOn('netdev.x-svq', false)),
        not(other.backend('shadow-virtqueue')),
      ),
  },
  wordings: ['SVQ Invalid device feature flags, offer: {offer}, ok: {ok}'],
  liftedBy: ['other-backend', 'detach-device'],
  // 11.1.3 was not looked at.
  source: { confidence: 'inferred', read: ['net/vhost-vdpa.c, 10.2.2'] },
});
