import type { FindingRule } from '../../src/rules/finding.ts';

/** A rule of which nothing matters but that there is one. */
export const anyRule: FindingRule = {
  id: 'any-rule',
  title: 'Any rule',
  why: 'Any reason.',
  layer: 'qemu',
  liftedBy: [],
  source: { confidence: 'confirmed', read: [] },
};
