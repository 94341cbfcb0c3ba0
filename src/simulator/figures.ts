import type { UnmapFailure } from './container/unmap.ts';
import type { UnmapStep } from './container/unmap-step.ts';
import { type MappingRun, totalBytes } from './mapping-runs.ts';
import type { Step } from './steps.ts';
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
export function figuresOf({
  steps,
  leftMapped,
}: {
  readonly steps: readonly Step[];
  readonly leftMapped: readonly MappingRun[];
}): Figures {
  const all = <Kind extends Step['kind']>(kind: Kind): Extract<Step, { kind: Kind }>[] =>
    steps.filter((step): step is Extract<Step, { kind: Kind }> => step.kind === kind);
  const unmaps = all('unmap');
  const maps = all('map');
  const queries = all('query');
  const starts = all('tracking-start');
  const failures = unmaps.filter((step): step is FailedStep => step.failure !== undefined);
  const largestBitmapBytes = largest(unmaps);
  const ioctls = sum(unmaps, ({ count, ioctls: each }) => count * BigInt(each));
  const mapCalls = sum(maps, ({ count }) => count);
  return {
    unmapCalls: sum(unmaps, ({ count }) => count),
    ioctls,
    bitmaps: sum(unmaps, ({ count, bitmapBytes }) => (bitmapBytes > 0n ? count : 0n)),
    bitmapBytesAllocated: sum(unmaps, ({ count, bitmapBytes }) => count * bitmapBytes),
    largestBitmapBytes,
    failures: sum(failures, ({ count }) => count),
    leftMappedBytes: totalBytes(leftMapped),
    dirtyBytesLost: sum(unmaps, ({ dirtyBytesLost }) => dirtyBytesLost),
    firstFailure: failures[0] ?? null,
    fatal: failures.find(({ reaches }) => reaches === 'migration') ?? null,
    mapCalls,
    mapFailures: sum(maps, ({ count, failure }) => (failure ? count : 0n)),
    queries: sum(queries, ({ count }) => count),
    queryBitmapBytes: sum(queries, ({ count, bitmapBytes }) => count * bitmapBytes),
    dirtyBytes: sum(queries, ({ dirtyBytes }) => dirtyBytes),
    dirtyBytesAtMost: sum(queries, ({ dirtyBytesAtMost }) => dirtyBytesAtMost),
    allIoctls:
      ioctls +
      mapCalls +
      sum(queries, ({ count, ioctls: each }) => count * BigInt(each)) +
      sum([...starts, ...all('tracking-stop')], ({ ioctls: each }) => BigInt(each)),
    peakBitmapBytes: larger(largestBitmapBytes, largest(queries)),
    trackingKernelBytes: starts.reduce((most, { kernelBytes }) => larger(most, kernelBytes), 0n),
  };
}

const sum = <T>(steps: readonly T[], amount: (step: T) => bigint): bigint =>
  steps.reduce((total, step) => total + amount(step), 0n);

const largest = (steps: readonly { readonly bitmapBytes: bigint }[]): bigint =>
  steps.reduce((most, { bitmapBytes }) => larger(most, bitmapBytes), 0n);
