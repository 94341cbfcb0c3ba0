import type { Survivors } from './survivors.ts';

export const evaluation: readonly Survivors[] = [
  {
    why: 'The two come to the same: of equal values either is taken.',
    changes: ['evaluation/costs.ts EqualityOperator: value < AMOUNT_MAX → value <= AMOUNT_MAX'],
  },
  {
    why: 'JSON has no member that is undefined.',
    changes: [
      "evaluation/expansion.ts LogicalOperator: 'mappings' in event && event.mappings → 'mappings' in event || event.mappings",
    ],
  },
];
