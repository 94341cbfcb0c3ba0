import { all, not } from '../descriptor/fact.ts';
import { otherRule } from './rule.ts';

export const vhostScsiMigratable = otherRule({
  id: 'vhost-scsi-migratable',
  title: 'Nobody vouches for the state of the vhost-scsi target',
  why: 'The state of a SCSI target in the host’s kernel is not QEMU’s to move. Whoever moves it by other means says so with migratable=on; without that QEMU refuses.',
  layer: 'qemu',
  effect: 'blocker',
  modes: 'normal',
  isAbout: (type) => /^vhost-scsi(?:-|$)/.test(type),
  always: {
    message:
      "vhost-scsi does not support migration in all cases. When external environment supports it (Orchestrator migrates target SCSI device state or use shared storage over network), set 'migratable' property to true to enable migration.",
    holds: ({ other }) => all(other.isThere, not(other.isOn('migratable', false))),
  },
  liftedBy: ['vhost-scsi-migratable', 'detach-device'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 binary'] },
});
