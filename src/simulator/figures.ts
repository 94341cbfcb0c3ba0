import type { UnmapFailure } from './container/unmap.ts';
import type { UnmapStep } from './container/unmap-step.ts';
import { type MappingRun, totalBytes } from './mapping-runs.ts';
import type { QueryStep, Step } from './steps.ts';
import { larger } from './uint64.ts';

export type FailedStep = UnmapStep & { readonly failure: UnmapFailure };

/** What the unmaps of a run cost: counts of all, bytes as sums unless named largest. */
export interface UnmapFigures {
  readonly unmapCalls: bigint;
  readonly ioctls: bigint;
  readonly bitmaps: bigint;
  readonly bitmapBytesAllocated: bigint;
  readonly largestBitmapBytes: bigint;
  readonly failures: bigint;
  /** Bytes that the host still maps although the guest's domain no longer does. */
  readonly leftMappedBytes: bigint;
  /** Bytes that were unmapped without their dirty bits being read and credited to the memory they map. */
  readonly dirtyBytesLost: bigint;
  readonly firstFailure: FailedStep | null;
  /** The first failure that a running migration hears of; while a section is taken away a failure is only printed. */
  readonly fatal: FailedStep | null;
}

/** What a whole run costs. */
export interface Figures extends UnmapFigures {
  readonly mapCalls: bigint;
  /** Maps that the kernel refused. */
  readonly mapFailures: bigint;
  readonly queries: bigint;
  readonly queryBitmapBytes: bigint;
  /** Bytes that the sync passes found dirty, for certain and at most. */
  readonly dirtyBytes: bigint;
  readonly dirtyBytesAtMost: bigint;
  /** Ioctls of any kind, tracking and queries included. */
  readonly allIoctls: bigint;
  /** Bytes of the largest bitmap that was allocated for an unmap or a query: QEMU never holds two. */
  readonly peakBitmapBytes: bigint;
  /** Bytes of kernel memory that tracking took when it started. */
  readonly trackingKernelBytes: bigint;
}

/** Folds the steps of a trace or of a simulation into what they cost. */
export const figuresOf = ({
  steps,
  leftMapped,
}: {
  readonly steps: readonly Step[];
  readonly leftMapped: readonly MappingRun[];
}): Figures => ({ ...tally(steps), leftMappedBytes: totalBytes(leftMapped) });

type Tally = { -readonly [Amount in Exclude<keyof Figures, 'leftMappedBytes'>]: Figures[Amount] };

/** What `steps` cost, each of which is looked at once and not kept. */
export function tally(steps: Iterable<Step>): Readonly<Tally> {
  const so: Tally = {
    unmapCalls: 0n,
    ioctls: 0n,
    bitmaps: 0n,
    bitmapBytesAllocated: 0n,
    largestBitmapBytes: 0n,
    failures: 0n,
    dirtyBytesLost: 0n,
    firstFailure: null,
    fatal: null,
    mapCalls: 0n,
    mapFailures: 0n,
    queries: 0n,
    queryBitmapBytes: 0n,
    dirtyBytes: 0n,
    dirtyBytesAtMost: 0n,
    allIoctls: 0n,
    peakBitmapBytes: 0n,
    trackingKernelBytes: 0n,
  };
  for (const step of steps) {
    switch (step.kind) {
      case 'unmap':
        addUnmaps(so, step);
        break;
      case 'map':
        so.mapCalls += step.count;
        so.allIoctls += step.count;
        if (step.failure) so.mapFailures += step.count;
        break;
      case 'query':
        addQueries(so, step);
        break;
      case 'tracking-start':
        so.trackingKernelBytes = larger(so.trackingKernelBytes, step.kernelBytes);
        so.allIoctls += BigInt(step.ioctls);
        break;
      case 'tracking-stop':
        so.allIoctls += BigInt(step.ioctls);
        break;
      case 'section-add':
      case 'section-del':
      case 'refused':
        break;
    }
  }
  return so;
}

function addUnmaps(so: Tally, step: UnmapStep): void {
  const { count, bitmapBytes } = step;
  const ioctls = count * BigInt(step.ioctls);
  so.unmapCalls += count;
  so.ioctls += ioctls;
  so.allIoctls += ioctls;
  if (bitmapBytes > 0n) so.bitmaps += count;
  so.bitmapBytesAllocated += count * bitmapBytes;
  so.largestBitmapBytes = larger(so.largestBitmapBytes, bitmapBytes);
  so.peakBitmapBytes = larger(so.peakBitmapBytes, bitmapBytes);
  so.dirtyBytesLost += step.dirtyBytesLost;
  if (hasFailed(step)) {
    so.failures += count;
    so.firstFailure ??= step;
    if (step.reaches === 'migration') so.fatal ??= step;
  }
}

const hasFailed = (step: UnmapStep): step is FailedStep => step.failure !== undefined;

function addQueries(so: Tally, { count, ioctls, bitmapBytes, dirtyBytes, dirtyBytesAtMost }: QueryStep): void {
  so.queries += count;
  so.allIoctls += count * BigInt(ioctls);
  so.queryBitmapBytes += count * bitmapBytes;
  so.peakBitmapBytes = larger(so.peakBitmapBytes, bitmapBytes);
  so.dirtyBytes += dirtyBytes;
  so.dirtyBytesAtMost += dirtyBytesAtMost;
}
