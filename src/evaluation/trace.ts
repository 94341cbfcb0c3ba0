import * as z from 'zod';

/** The one source of a simulation's answer: its type and its JSON Schema. */

const amount = z.int().min(0);
const hex = z.string().regex(/^0x[0-9a-f]+$/);
const run = { iova: hex, size: hex, count: amount };
const failure = z
  .strictObject({
    result: z.int().optional().describe('What QEMU’s function returned.'),
    errno: z.string(),
    kernelErrno: z.string().optional(),
    refusedBy: z.enum(['qemu', 'kernel', 'allocator']),
  })
  .optional();
const reaches = z.enum(['migration', 'printed', 'abort']).optional().describe('Who hears of a failure.');
const cause = z.enum(['viommu', 'section']);
const where = { event: amount.describe('Place of the event in the request.'), container: z.string() };

const step = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('unmap'),
      ...where,
      cause,
      ...run,
      flags: amount,
      bitmapBytes: amount,
      ioctls: amount,
      unmappedBytes: amount,
      dirtyBytesLost: amount,
      kernelErrno: z.string().optional(),
      failure,
      reaches,
    }),
    z.strictObject({ kind: z.literal('map'), ...where, cause, ...run, readOnly: z.boolean(), failure, reaches }),
    z.strictObject({
      kind: z.enum(['section-add', 'section-del']),
      ...where,
      region: z.enum(['memory', 'iommu']),
      iova: hex,
      size: hex,
    }),
    z.strictObject({
      kind: z.literal('tracking-start'),
      ...where,
      tracker: z.enum(['device', 'iommu', 'type1', 'none']),
      ioctls: amount,
      ranges: z.array(z.strictObject({ class: z.string(), iova: hex, size: hex })),
      kernelBytes: amount,
      failure,
      reaches,
    }),
    z.strictObject({ kind: z.literal('tracking-stop'), ...where, ioctls: amount }),
    z.strictObject({
      kind: z.literal('query'),
      ...where,
      ...run,
      gpa: hex.optional(),
      bitmapBytes: amount,
      ioctls: amount,
      dirtyBytes: amount.describe('For certain.'),
      dirtyBytesAtMost: amount.describe('More where a device, an IOMMU or an mdev’s driver knows what was written.'),
      failure,
      reaches,
    }),
    z.strictObject({ kind: z.literal('refused'), ...where, reason: z.string() }),
  ])
  .meta({ id: 'Step', description: 'What QEMU did: `count` times alike, back to back from `iova`.' });

const totals = z
  .strictObject({
    unmapCalls: amount,
    mapCalls: amount,
    ioctls: amount.describe('Of any kind, tracking and queries included.'),
    bitmaps: amount,
    bitmapBytesAllocated: amount,
    largestBitmapBytes: amount,
    peakBitmapBytes: amount,
    unmapFailures: amount,
    mapFailures: amount,
    queries: amount,
    queryBitmapBytes: amount,
    dirtyBytes: amount,
    dirtyBytesAtMost: amount,
    leftMappedBytes: amount,
    dirtyBytesLost: amount,
    trackingKernelBytes: amount,
  })
  .meta({ id: 'Totals' });

export const trace = z
  .strictObject({
    containers: z.array(
      z.strictObject({
        id: z.string(),
        devices: z.array(z.string()),
        totals,
        leftMapped: z
          .array(z.strictObject({ ...run, gpa: hex.optional() }))
          .describe('What the host maps on although the guest no longer does.'),
      }),
    ),
    steps: amount.describe('Steps in all.'),
    truncated: z.boolean().describe('Whether there are more steps than are listed.'),
    trace: z.array(step),
    assumptions: z.array(z.string()),
  })
  .meta({ id: 'Trace', description: 'What QEMU and the kernel did, in order, and what it came to.' });

export type Trace = z.infer<typeof trace>;
export type TraceStep = Trace['trace'][number];
