import * as z from 'zod';
import { origins } from '../descriptor/fact.ts';
import { guestEvents } from '../descriptor/migration.ts';
import { phases } from '../rules/finding.ts';
import { effects, layers, siteEffects } from '../rules/rule.ts';
import { changes } from '../rules/change.ts';
import { efforts } from './changes/edit.ts';
import { causes, verdicts } from './verdict.ts';

/** The one source of the answer's type and of its JSON Schema. */

const amount = z.int().min(0);
const hex = z.string().regex(/^0x[0-9a-f]+$/);
const anyVerdict = z.enum([...verdicts, 'unknown']).meta({ id: 'Verdict' });
const pointer = z.string().describe('JSON Pointer into the descriptor.');
const effect = z.enum([...effects, ...siteEffects]);
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
    phase: z.enum(phases).describe('When it comes to pass.'),
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
      site: z.string().optional().describe('Of what the site’s policy finds: its own words, not QEMU’s.'),
    }),
    held: z
      .strictObject({
        figure: z.string(),
        value: amount.describe('At most.'),
        atLeast: amount,
        limit: amount.describe('The most that the site allows.'),
      })
      .optional()
      .describe('Of a limit of the site’s policy: what was held against it.'),
    accepted: z
      .strictObject({
        by: z.string(),
        why: z.string(),
        until: z.string().describe('The last day, in UTC, or the moment at which it ends.'),
      })
      .optional()
      .describe('The site’s policy accepts it: it does not count toward the verdict.'),
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

const kernelBytes = amount.describe('Bytes of kernel memory that type1 takes for its bitmaps.');

const trackingStart = z
  .strictObject({
    ok: z.union([z.boolean(), z.literal('unknown')]).describe('"unknown": that is up to the guest.'),
    kernelBytes,
    loggingRanges: z
      .array(z.strictObject({ iova: hex, size: hex }))
      .optional()
      .describe('What each device is told to log; absent where that is up to the guest.'),
    error: z.strictObject({ errno: z.string(), refusedBy: z.enum(['qemu', 'kernel']) }).optional(),
    atLeast: z.strictObject({ kernelBytes }).optional(),
  })
  .meta({ id: 'TrackingStart', description: 'What comes of it when a migration starts dirty tracking.' });

const dirtyBytesPerPass = amount.describe(
  'Bytes found dirty on every pass. Type1 calls all that is mapped dirty; a device or an IOMMU what was written, rounded up to what one page table entry maps, which may be 2 MiB or 1 GiB.',
);

const pass = {
  queries: amount.describe('Ranges asked for: sections of memory, or what the guest maps behind a vIOMMU.'),
  ioctls: amount.describe('One a range from type1; one a range from each device or IOMMU page table that tracks.'),
  bitmapBytes: amount,
  largestBitmapBytes: amount,
  dirtyBytesPerPass,
};

const sync = z
  .strictObject({ ...pass, atLeast: z.strictObject(pass).optional() })
  .meta({ id: 'Sync', description: 'What one pass over the dirty bitmaps costs.' });

const convergence = z
  .strictObject({
    dirtyBytesPerPass: amount.describe('Bytes of guest memory; what several containers map counts once.'),
    downtimeFloorMs: amount.optional().describe('The guest stands still at least so long, at the bandwidth given.'),
    converges: z
      .union([z.boolean(), z.literal('unknown')])
      .describe('false: what is left to send never fits into the downtime limit.'),
    atLeast: z.strictObject({ dirtyBytesPerPass: amount }).optional(),
  })
  .meta({ id: 'Convergence', description: 'Whether a migration comes to an end, as far as its devices go.' });

const needs = {
  memlockBytes: amount.optional().describe('Bytes that RLIMIT_MEMLOCK must allow QEMU to lock for VFIO.'),
  dmaEntries: amount.optional().describe('DMA entries of the fullest type1 container.'),
};

const limits = z
  .strictObject({
    dirtyBitmapBytes: amount.describe('Bytes of the largest dirty bitmap that type1 takes, inclusive.'),
    dmaEntries: amount.describe('DMA entries that a type1 container takes.'),
    memlockBytes: amount.optional().describe('RLIMIT_MEMLOCK of QEMU; absent: unlimited, or not given.'),
  })
  .meta({ id: 'Limits', description: 'What the source allows.' });

const container = z
  .strictObject({
    id: z.string(),
    addressSpace: z.string().describe('"memory", or the device whose vIOMMU address space it is.'),
    backend: z.enum(['legacy', 'iommufd']),
    devices: z.array(z.string()),
    tracker: z.enum(['device', 'iommu', 'type1', 'none', 'unknown']),
    limitBytes: amount.nullable().optional().describe('Bytes that one dirty bitmap may cover; null: no limit.'),
    trackingStart: trackingStart.optional(),
    sync: sync.optional(),
    transitions: z.array(transition),
  })
  .meta({
    id: 'Container',
    description:
      'Devices that share DMA mappings. A figure that rests on what is not known of the guest is an upper bound, beside which `atLeast` holds the lower one; one that rests on a missing fact is left out.',
  });

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
  .meta({
    id: 'Remedy',
    description:
      'Changes that, made together and judged again, have a better verdict. Once anything of the VM is another, its ' +
      '`blockedReasons` no longer count, nor that it runs once it, or a device of it, must start anew.',
  });

export const decision = z
  .strictObject({
    ref: z.string().optional(),
    decisionId: z.string().describe('SHA-256 of the question and the ruleset: the same question has the same.'),
    ruleset: z.string(),
    policyRevision: z.string().optional().describe('Of the site policy that was heeded.'),
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
    convergence: convergence.optional(),
    ...needs,
    atLeast: z.strictObject(needs).optional(),
    limits,
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
