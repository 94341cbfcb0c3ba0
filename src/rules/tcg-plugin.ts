import { logRule } from './rule.ts';

export const tcgPlugin = logRule({
  id: 'tcg-plugin',
  title: 'A TCG plugin holds the guest’s time',
  why: 'A plugin that decides how fast the guest’s clock goes keeps state of its own that nothing moves. Which plugin asks for that no descriptor tells in advance.',
  layer: 'qemu',
  effect: 'blocker',
  wordings: ['TCG plugin time control does not support migration'],
  liftedBy: ['restart-vm'],
  source: { confidence: 'confirmed', read: ['10.2.2', '11.1.3 binary'] },
});
