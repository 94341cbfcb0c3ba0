import * as z from 'zod';
import { loggedDecision } from '../decision-log/logged-decision.ts';
import { outcomeShape } from '../decision-log/outcome.ts';
import { decision } from '../evaluation/decision.ts';

/** The one source of the types and the JSON Schemas of what a replay answers. */

const { decisionId, ruleset, policyRevision } = decision.shape;
const { verdict, because, rules, figures } = outcomeShape;

const count = z.int().min(0);

const example = {
  line: z.int().min(1),
  ref: z.string().optional(),
  name: z.string().optional().describe('Of the VM.'),
};

const replayedDecision = z
  .strictObject({
    ...example,
    decisionId: decisionId.describe('As it was logged.'),
    from: verdict,
    to: verdict,
    because: because.describe('Why it is what it is now.'),
    appeared: rules.describe('What rules come to now, and did not then.'),
    vanished: rules.describe('What rules came to then, and do not now.'),
    figures: z.strictObject({ from: figures, to: figures }).optional().describe('Where they are others than then.'),
    masked: loggedDecision.shape.masked,
  })
  .meta({ id: 'ReplayedDecision', description: 'A logged decision that is another now.' });

const tally = z
  .strictObject({ count, examples: z.array(z.strictObject(example)).describe('Up to three.') })
  .meta({ id: 'ReplayTally', description: 'How many decisions, and some of them.' });

const replayTotals = z
  .strictObject({
    totals: z.strictObject({
      complete: z.boolean().describe('false: not all lines were read, for the service was stopped.'),
      lines: count,
      same: count.describe('Decisions in which nothing changes.'),
      changed: count,
      errors: count.describe('Lines that cannot be decided again.'),
      decisionIds: z
        .strictObject({ same: count, other: count, masked: count })
        .describe(
          'Whether the address is the one that was logged, as it is with the same ruleset and policy; masked: it cannot be told.',
        ),
      verdicts: z.array(z.strictObject({ from: verdict, to: verdict, ...tally.shape })),
      rules: z.array(z.strictObject({ ...rules.element.shape, appeared: tally, vanished: tally })),
      figures: tally.describe('Decisions whose figures are others.'),
      ruleset: ruleset.describe('By which it is decided now.'),
      policyRevision,
    }),
  })
  .meta({ id: 'ReplayTotals', description: 'The last line.' });

/** All that a replay takes and answers. */
export const replay = z.union([loggedDecision, replayedDecision, replayTotals]);

export type ReplayedDecision = z.infer<typeof replayedDecision>;
export type ReplayTotals = z.infer<typeof replayTotals>['totals'];
