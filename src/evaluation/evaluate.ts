import { resolve } from '../descriptor/scenario.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { judge } from '../rules/judge.ts';
import { assumptionsOf } from './assumptions.ts';
import { decisionIdOf, ruleset } from './canonical.ts';
import { Budget, verdictsOf } from './completions.ts';
import { containerCosts } from './costs.ts';
import { decided } from './decided-finding.ts';
import type { Decision } from './decision.ts';
import { outOfScope } from './scope.ts';
import { summarize } from './summary.ts';
import { unknownsOf } from './unknowns.ts';
import { causesOf, decisive, type Verdict } from './verdict.ts';

export interface Options {
  /** Whether rules that do not fire are listed too. */
  readonly includeClear?: boolean;
  /** What the importer of the descriptor saw and no rule reads. */
  readonly notChecked?: readonly string[];
}

/** Judges `descriptor`, which must have passed {@link check}: verdict, findings, unknowns and costs. Pure. */
export function evaluate(descriptor: Descriptor, { includeClear = false, notChecked = [] }: Options = {}): Decision {
  const source = resolve(descriptor, 'source');
  const destination = descriptor.destination ? [resolve(descriptor, 'destination')] : [];
  const listed = [source, ...destination].flatMap((scenario) => judge(scenario, includeClear));
  const findings = listed.filter(({ outcome }) => outcome !== 'clear');
  const budget = new Budget();
  const possible = verdictsOf(descriptor, findings, budget);
  const settled = possible.length === 1 ? possible[0] : undefined;
  const verdict: Verdict = settled ?? 'unknown';
  const deciding = settled ? decisive(findings, settled) : [];
  return {
    ...(descriptor.ref !== undefined && { ref: descriptor.ref }),
    decisionId: decisionIdOf(descriptor),
    ruleset,
    verdict,
    ...(settled ? { because: causesOf(deciding) } : { because: ['missing-facts'], possible }),
    confidence: deciding.some(({ rule }) => rule.source.confidence === 'inferred') ? 'inferred' : 'confirmed',
    summary: summarize(verdict, deciding, findings),
    findings: listed.map(decided),
    unknowns: unknownsOf(descriptor, findings, verdict, budget),
    containers: source.containers.map(containerCosts),
    assumptions: [
      ...assumptionsOf(source),
      ...(budget.isSpent ? ['too much is unknown to try every completion: what was not tried counts as possible'] : []),
    ],
    scope: { notChecked: [...outOfScope(descriptor, source), ...notChecked] },
  };
}
