import { logRule } from './rule.ts';

export const runtimeBlockedReason = logRule({
  id: 'runtime-blocked-reason',
  title: 'QEMU gives a reason that no rule knows',
  why: 'What a running QEMU lists in query-migrate is true, whatever was predicted. A reason that fits no rule is a rule that is missing here, or a QEMU that was patched.',
  layer: 'qemu',
  effect: 'blocker',
  wordings: [],
  liftedBy: ['restart-vm'],
  source: { confidence: 'confirmed', read: ['query-migrate, blocked-reasons'] },
});
