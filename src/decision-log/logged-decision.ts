import * as z from 'zod';
import type { Pointer } from '../descriptor/pointer.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { type Decision, decision } from '../evaluation/decision.ts';
import { outcomeOf, outcomeShape } from './outcome.ts';

const pointers = z.array(z.string());

/** A line of the log. What else is in one, of a version to come, is passed over. */
export const loggedDecision = z
  .looseObject({
    decisionId: decision.shape.decisionId,
    requestId: z.string().describe('As in the header `X-Request-Id` of the answer.'),
    traceId: z.string(),
    time: z.string().describe('When it was decided (RFC 3339, UTC).'),
    client: z.string().optional().describe('Who asked, where that is known.'),
    policy: z.literal('none').optional().describe('It was asked for without the site’s policy.'),
    masked: pointers.optional().describe('What of the input is masked, as the configuration says it.'),
    ...outcomeShape,
    notChecked: decision.shape.scope.shape.notChecked.optional().describe('What its importer saw and no rule reads.'),
    site: pointers.optional().describe('Members of the input that the site said, not who asked.'),
    defaults: pointers.optional().describe('Of those, what its policy said.'),
    input: z.record(z.string(), z.unknown()).describe('The descriptor that was judged.'),
  })
  .meta({ id: 'LoggedDecision', description: 'A line of the decision log.' });

export type LoggedDecision = z.infer<typeof loggedDecision>;

/** What is asked about a VM beside its descriptor, as far as it bears on the answer. */
interface Beside {
  readonly notChecked: readonly string[];
  readonly site: ReadonlySet<Pointer>;
  readonly defaults?: ReadonlySet<Pointer> | undefined;
}

/**
 * What the log holds of `decided` and of what it was decided on, as JSON without the brace that opens it: the same for
 * whoever asks.
 */
export const recordOf = (decided: Decision, input: Descriptor, { notChecked, site, defaults }: Beside): string =>
  JSON.stringify({
    ...outcomeOf(decided),
    ...(notChecked.length > 0 && { notChecked }),
    ...(site.size > 0 && { site: [...site] }),
    ...(defaults && { defaults: [...defaults] }),
    input,
  }).slice(1);
