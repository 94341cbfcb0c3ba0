import type { Survivors } from './survivors.ts';

export const evaluation: readonly Survivors[] = [
  {
    why: 'The two come to the same: of equal values either is taken, or nothing of the kind gets here.',
    changes: [
      'evaluation/canonical.ts EqualityOperator: bytes <= Number.MAX_SAFE_INTEGER → bytes < Number.MAX_SAFE_INTEGER',
      'evaluation/costs.ts EqualityOperator: value < AMOUNT_MAX → value <= AMOUNT_MAX',
      'evaluation/verdict.ts StringLiteral: \'allowed\' → ""',
    ],
  },
  {
    why: 'JSON has no member that is undefined.',
    changes: [
      'evaluation/decided-finding.ts ConditionalExpression: device !== undefined → true',
      'evaluation/decided-finding.ts ConditionalExpression: shadowedBy !== undefined → true',
      "evaluation/expansion.ts LogicalOperator: 'mappings' in event && event.mappings → 'mappings' in event || event.mappings",
    ],
  },
  {
    why: 'What is clear counts for nothing, listed or not.',
    changes: [
      "evaluation/evaluate.ts ConditionalExpression: outcome !== 'clear' → true",
      "evaluation/evaluate.ts MethodExpression: listed.filter(({ outcome }) => outcome !== 'clear') → listed",
      'evaluation/evaluate.ts StringLiteral: \'clear\' → ""',
    ],
  },
  {
    why: 'It only saves work: what is looked at without it comes to nothing.',
    changes: [
      'evaluation/findings.ts ConditionalExpression: policy || !before || scenario.vm.blockedReasons → true',
      'evaluation/findings.ts ConditionalExpression: policy?.looksBehind → true',
    ],
  },
  {
    why: 'A site that looks behind what QEMU says first, of a VM of which facts are missing: only the verdict’s search differs.',
    changes: ['evaluation/findings.ts ConditionalExpression: policy?.looksBehind → false'],
  },
  {
    why: 'The types allow for it; whoever gets here has a value.',
    changes: [
      'evaluation/assumptions.ts OptionalChaining: devices[0]?.id → devices[0].id',
      'evaluation/summary.ts ConditionalExpression: !first → false',
      'evaluation/summary.ts OptionalChaining: deciding[0]?.rule → deciding[0].rule',
      'evaluation/summary.ts StringLiteral: \'whatever the missing facts are\' → ""',
    ],
  },
];
