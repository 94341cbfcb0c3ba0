import * as z from 'zod';
import { type Decision, decision } from '../evaluation/decision.ts';

const { verdict, because, memlockBytes, dmaEntries, ruleset, policyRevision } = decision.shape;
const { dirtyBytesPerPass, downtimeFloorMs, converges } = decision.shape.convergence.unwrap().shape;

const ruleOutcome = z
  .strictObject({
    rule: z.string(),
    outcome: z.enum(['fires', 'unknown', 'contradicted']),
    accepted: z.literal(true).optional().describe('The site accepts it.'),
  })
  .meta({ id: 'RuleOutcome', description: 'A rule, and what it comes to.' });

const figures = z
  .strictObject({
    largestBitmapBytes: z.int().min(0),
    memlockBytes,
    dmaEntries,
    convergence: z.strictObject({ dirtyBytesPerPass, downtimeFloorMs, converges }).optional(),
  })
  .meta({ id: 'OutcomeFigures', description: 'As in the decision: where one has bounds, the upper one.' });

/** The members of an {@link Outcome}. */
export const outcomeShape = {
  verdict,
  because,
  rules: z.array(ruleOutcome).describe('Each once, however many devices and hosts it is about.'),
  figures,
  ruleset,
  policyRevision,
};

/** What is remembered of a decision. */
export type Outcome = z.infer<z.ZodObject<typeof outcomeShape>>;
export type RuleOutcome = z.infer<typeof ruleOutcome>;

/** What tells rules, and what they come to, apart. */
export const keyOf = ({ rule, outcome, accepted }: RuleOutcome): string =>
  `${rule} ${outcome}${accepted ? ', accepted' : ''}`;

/** What is remembered of `decision`; not the rules that are clear, which are listed only for those who ask. */
export function outcomeOf(decided: Decision): Outcome {
  const { convergence, findings } = decided;
  const rules = new Map<string, RuleOutcome>();
  for (const { rule, outcome, accepted } of findings) {
    if (outcome === 'clear') continue;
    const each: RuleOutcome = { rule, outcome, ...(accepted && { accepted: true }) };
    rules.set(keyOf(each), each);
  }
  return {
    verdict: decided.verdict,
    because: decided.because,
    rules: [...rules.values()],
    figures: {
      largestBitmapBytes: largestBitmapOf(decided)?.bytes ?? 0,
      memlockBytes: decided.memlockBytes,
      dmaEntries: decided.dmaEntries,
      convergence: convergence && {
        dirtyBytesPerPass: convergence.dirtyBytesPerPass,
        downtimeFloorMs: convergence.downtimeFloorMs,
        converges: convergence.converges,
      },
    },
    ruleset: decided.ruleset,
    policyRevision: decided.policyRevision,
  };
}

/** The largest dirty bitmap that a decision predicts. */
export interface LargestBitmap {
  readonly bytes: number;
  readonly backend: string;
  /** The transition that needs it, or "sync" for a pass over the dirty bitmaps. */
  readonly during: string;
}

/** The largest dirty bitmap that `decision` predicts, if any. */
export function largestBitmapOf({ containers }: Decision): LargestBitmap | null {
  const bitmaps = containers.flatMap(({ backend, transitions, sync }) => [
    ...transitions.map(({ from, to, largestBitmapBytes }) => ({
      bytes: largestBitmapBytes,
      backend,
      during: `${from}-to-${to}`,
    })),
    ...(sync ? [{ bytes: sync.largestBitmapBytes, backend, during: 'sync' }] : []),
  ]);
  const [first, ...others] = bitmaps.filter(({ bytes }) => bytes > 0);
  return others.reduce<LargestBitmap | undefined>((a, b) => (a && a.bytes >= b.bytes ? a : b), first) ?? null;
}
