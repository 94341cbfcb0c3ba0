import { all, not } from '../descriptor/fact.ts';
import { vmRule } from './rule.ts';

export const vfioSwitchoverAck = vmRule({
  id: 'vfio-switchover-ack',
  title: 'The destination cannot acknowledge the switchover without a return path',
  why: 'A device with pre-copy asks the destination to say when it is ready to switch over, and only the return path carries that. QEMU refuses to set the one capability without the other.',
  layer: 'qemu',
  effect: 'migration-failure',
  fails: 'migrate-command',
  always: {
    message: "Capability 'switchover-ack' requires capability 'return-path'",
    holds: ({ migration }) => all(migration.has('switchover-ack'), not(migration.has('return-path'))),
  },
  wordings: [
    '{device}: Received INIT_DATA_SENT but switchover ack is not used',
    '{device}: Final precopy reinit check failed (err: {errno})',
  ],
  liftedBy: ['capability-off'],
  source: { confidence: 'confirmed', read: ['745c42912a04, 8.1', 'migration/options.c, 10.2.2', '11.1.3 binary'] },
});
