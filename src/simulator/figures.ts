import type { UnmapFailure } from './container/unmap.ts';
import type { UnmapStep } from './container/unmap-step.ts';
import type { Trace } from './domain-switch.ts';
import { totalBytes } from './mapping-runs.ts';
import { larger } from './uint64.ts';

export type FailedStep = UnmapStep & { readonly failure: UnmapFailure };

/** What a trace costs: counts of all unmaps, bytes as sums unless named largest. */
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

/** Folds `trace` into its figures. */
export function figuresOf({ steps, leftMapped }: Trace): UnmapFigures {
  const failures = steps.filter((step): step is FailedStep => step.failure !== undefined);
  const sum = (amount: (step: UnmapStep) => bigint): bigint => steps.reduce((total, step) => total + amount(step), 0n);
  return {
    unmapCalls: sum(({ count }) => count),
    ioctls: sum(({ count, ioctls }) => count * BigInt(ioctls)),
    bitmaps: sum(({ count, bitmapBytes }) => (bitmapBytes > 0n ? count : 0n)),
    bitmapBytesAllocated: sum(({ count, bitmapBytes }) => count * bitmapBytes),
    largestBitmapBytes: steps.reduce((largest, { bitmapBytes }) => larger(largest, bitmapBytes), 0n),
    failures: sum(({ count, failure }) => (failure ? count : 0n)),
    leftMappedBytes: totalBytes(leftMapped),
    dirtyBytesLost: sum(({ dirtyBytesLost }) => dirtyBytesLost),
    firstFailure: failures[0] ?? null,
    fatal: failures.find(({ cause }) => cause === 'viommu') ?? null,
  };
}
