import { z } from 'zod';
import { origins } from '../descriptor/fact.ts';
import { guestEvents } from '../descriptor/migration.ts';
import { effects, layers } from '../rules/rule.ts';
import { changes } from '../rules/change.ts';
import { efforts } from './changes.ts';
import { causes, verdicts } from './verdict.ts';

/** The one source of the answer's type and of its JSON Schema. */

const amount = z.int().min(0);
const hex = z.string().regex(/^0x[0-9a-f]+$/);
const anyVerdict = z.enum([...verdicts, 'unknown']).meta({ id: 'Verdict' });
const pointer = z.string().describe('JSON Pointer into the descriptor.');
const effect = z.enum(effects);
const trigger = z.enum(guestEvents);
const layer = z.enum(layers);
const domain = z.enum(['dma', 'identity', 'blocking']);
const confidence = z.enum(['confirmed', 'inferred']);

const reading = z
  .strictObject({
    pointer,
    value: z.unknown(),
    origin: z.enum(origins),
    basis: z.string().optional().describe('What a default is a default of, or what the value was derived from.'),
  })
  .meta({ id: 'Reading' });

const finding = z
  .strictObject({
    rule: z.string(),
    outcome: z.enum(['fires', 'unknown', 'contradicted', 'clear']),
    effect,
    trigger: trigger.optional(),
    layer,
    host: z.enum(['source', 'destination']),
    device: z.string().optional(),
    reportedBy: z.array(z.enum(['start', 'query-migrate', 'migrate'])),
    shadowedBy: z.string().optional().describe('The rule at which QEMU stops before it comes to this one.'),
    confidence,
    messages: z.strictObject({
      start: z.string().optional(),
      queryMigrate: z.string().optional(),
      migrate: z.string().optional(),
    }),
    evidence: z.array(reading),
    liftedBy: z.array(z.string()),
  })
  .meta({ id: 'Finding' });

const amounts = {
  unmapCalls: amount,
  ioctls: amount,
  bitmaps: amount,
  bitmapBytesAllocated: amount,
  largestBitmapBytes: amount,
  failures: amount,
  leftMappedBytes: amount.describe('Bytes that the host still maps although the guest’s domain no longer does.'),
  dirtyBytesLost: amount.describe('Bytes whose dirty bits were not read, or were credited to other guest memory.'),
};

const transition = z
  .strictObject({
    from: domain,
    to: domain,
    strategy: z.enum(['whole', 'tracked', 'per-mapping', 'sections', 'none']),
    ...amounts,
    firstFailure: z
      .strictObject({
        iova: hex,
        size: hex,
        bitmapBytes: amount,
        result: z.int(),
        errno: z.string(),
        kernelErrno: z.string().optional(),
        refusedBy: z.enum(['qemu', 'kernel', 'allocator']),
        message: z.string(),
      })
      .optional(),
    atLeast: z
      .strictObject(amounts)
      .optional()
      .describe('Lower bounds, where a figure rests on unknown mappings; the figures beside it are then upper bounds.'),
  })
  .meta({ id: 'Transition', description: 'What it costs when the guest switches domain while dirty tracking is on.' });

const container = z
  .strictObject({
    id: z.string(),
    addressSpace: z.string().describe('"memory", or the device whose vIOMMU address space it is.'),
    backend: z.enum(['legacy', 'iommufd']),
    devices: z.array(z.string()),
    tracker: z.enum(['device', 'iommu', 'type1', 'none', 'unknown']),
    limitBytes: amount.nullable().optional().describe('Bytes that one dirty bitmap may cover; null: no limit.'),
    transitions: z.array(transition),
  })
  .meta({ id: 'Container' });

const remedy = z
  .strictObject({
    changes: z.array(
      z.strictObject({
        id: z.enum(changes),
        pointer,
        from: z.unknown().describe('What stands there now; null: nothing.'),
        to: z.unknown().describe('What is to stand there; null: nothing.'),
        how: z.string().describe('The libvirt XML, QEMU option or command that does it.'),
        cost: z.string().optional().describe('What it costs the guest.'),
      }),
    ),
    effort: z.enum(efforts).describe('Of the change that takes most; from least to most.'),
    verdict: z.enum(verdicts).describe('Once all of the changes are made.'),
  })
  .meta({ id: 'Remedy', description: 'Changes that, made together and judged again, have a better verdict.' });

export const decision = z
  .strictObject({
    ref: z.string().optional(),
    decisionId: z.string().describe('SHA-256 of the question and the ruleset: the same question has the same.'),
    ruleset: z.string(),
    verdict: anyVerdict,
    because: z.array(z.enum(causes)),
    possible: z.array(z.enum(verdicts)).optional().describe('Of verdict unknown: what it can be.'),
    confidence,
    summary: z.string(),
    findings: z.array(finding),
    unknowns: z.array(
      z.strictObject({
        pointer,
        neededBy: z.array(z.string()),
        obtain: z.string(),
        decides: z.record(z.string(), anyVerdict).optional().describe('By value: the verdict if that is the answer.'),
      }),
    ),
    containers: z.array(container),
    assumptions: z.array(z.string()),
    scope: z.strictObject({ notChecked: z.array(z.string()) }),
    remedies: z.array(remedy).optional().describe('Least effort first; left out unless asked for.'),
  })
  .meta({
    id: 'Decision',
    description: 'Whether the VM can be migrated, what refuses it, and what unmaps would cost.',
  });

export type Decision = z.infer<typeof decision>;
export type DecidedFinding = Decision['findings'][number];
export type DecidedContainer = Decision['containers'][number];
export type DecidedTransition = DecidedContainer['transitions'][number];
