import { questionAt } from '../descriptor/questions.ts';
import { type Finding, isUndecided } from '../rules/finding.ts';
import type { Completions } from './completions.ts';
import type { Decision } from './decision.ts';
import type { Trials } from './trials.ts';
import type { Verdict } from './verdict.ts';

/** The facts that undecided findings lack, where to find each and, if `withDecides`, which verdict each value decides. */
export function unknownsOf(
  findings: readonly Finding[],
  withDecides: boolean,
  completions: Completions,
  trials: Trials,
): Decision['unknowns'] {
  const needs = new Map<string, Set<string>>();
  for (const { rule, lacks } of findings.filter(isUndecided)) {
    for (const pointer of lacks) needs.set(pointer, (needs.get(pointer) ?? new Set()).add(rule.id));
  }
  return [...needs].map(([pointer, rules]) => {
    const { obtain } = questionAt(pointer);
    const decides = (value: unknown): [string, Verdict] => [
      labelOf(value),
      completions.verdictWith(pointer, value) ?? 'unknown',
    ];
    return {
      pointer,
      neededBy: [...rules],
      obtain,
      ...(withDecides && { decides: Object.fromEntries(trials.valuesAt(pointer).map(decides)) }),
    };
  });
}

const labelOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
