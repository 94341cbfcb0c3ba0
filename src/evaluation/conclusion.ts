import type { Finding } from '../rules/finding.ts';
import type { Completions } from './completions.ts';
import type { Decision } from './decision.ts';
import { summarize } from './summary.ts';
import { causesOf, decisive, type Verdict } from './verdict.ts';

/** What findings come to. */
export type Conclusion = Pick<Decision, 'verdict' | 'because' | 'possible' | 'confidence' | 'summary'>;

/** What `findings`, all that there are, come to with what is missing completed: the verdict, and what made it. */
export function conclusionOf(findings: readonly Finding[], completions: Completions): Conclusion {
  const possible = completions.verdicts();
  const settled = possible.length === 1 ? possible[0] : undefined;
  const verdict: Verdict = settled ?? 'unknown';
  const deciding = settled ? decisive(findings, settled) : [];
  return {
    verdict,
    ...(settled ? { because: causesOf(deciding) } : { because: ['missing-facts'], possible }),
    confidence: deciding.some(({ rule }) => rule.source.confidence === 'inferred') ? 'inferred' : 'confirmed',
    summary: summarize(verdict, deciding, findings),
  };
}
