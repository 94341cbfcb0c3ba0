import * as z from 'zod';
import { decision } from '../evaluation/decision.ts';
import { problem } from './problems.ts';

/** The one source of the types and the JSON Schemas of what a batch answers. */

/** Items that one array may hold; lines may be any number. */
export const ITEMS_MAX = 10_000;

const place = {
  line: z.int().min(1).optional().describe('Of the request, if that is lines.'),
  index: z.int().min(0).optional().describe('In the request, if that is an array.'),
  ref: z.string().optional(),
  name: z.string().optional().describe('Of the VM.'),
};

const { decisionId, verdict, because, possible, summary } = decision.shape;
const { ref: _ref, ...rest } = decision.shape;

const batchDecision = z
  .strictObject({ ...place, ...rest })
  .meta({ id: 'BatchDecision', description: 'The decision on one VM.' });

const batchSummary = z
  .strictObject({ ...place, decisionId, verdict, because, possible, summary })
  .meta({ id: 'BatchSummary', description: 'The decision on one VM in short, for `?summary=true`.' });

const batchProblem = z
  .strictObject({ ...place, ...problem.shape })
  .meta({ id: 'BatchProblem', description: 'What is wrong with one item; the others do not suffer from it.' });

const count = z.int().min(0);

const batchTotals = z
  .strictObject({
    totals: z.strictObject({
      complete: z.boolean().describe('false: the service was stopped before it had read all items.'),
      items: count.describe('Items that were read; one with a document of several VMs is one.'),
      decisions: count,
      errors: count,
      verdicts: z.record(z.enum(verdict.options), count).describe('VMs by verdict.'),
      rules: z
        .record(z.string(), z.partialRecord(z.enum(['fires', 'unknown', 'contradicted']), count))
        .describe('VMs by rule, and by what it comes to; those of which it comes to nothing are not counted.'),
      largestBitmap: z
        .strictObject({
          bytes: count,
          backend: z.string(),
          during: z.string().describe('A transition such as "dma-to-blocking", or "sync".'),
          ...place,
        })
        .nullable()
        .describe('The largest dirty bitmap that is predicted, and the first VM that needs it.'),
    }),
  })
  .meta({ id: 'BatchTotals', description: 'The last line.' });

export const batch = z
  .strictObject({ items: z.array(z.union([batchDecision, batchSummary, batchProblem])), ...batchTotals.shape })
  .meta({ id: 'Batch', description: 'What an array of items is answered with.' });

export type BatchTotals = z.infer<typeof batchTotals>['totals'];
