import type { LoggingRange, TrackingStartStep } from '../simulator/index.ts';
import { type Bounds, boundsOver } from './bounds.ts';
import { type Fact, map } from './fact.ts';
import type { MigrationRuns } from './migration-run.ts';
import { oncePer } from './remembered.ts';

/** What comes of it when a migration starts dirty tracking on a container. */
export interface TrackingStart extends Bounds<{ readonly kernelBytes: bigint }> {
  /** What each device is told to log; absent where that depends on the guest. */
  readonly ranges?: readonly LoggingRange[];
  /** Why it fails, whatever the guest does. */
  readonly failure?: TrackingStartStep['failure'];
  /** Why it fails with some guest that there may be; the same as `failure` where it fails with any. */
  readonly possibleFailure?: TrackingStartStep['failure'];
}

/** What comes of it when a migration starts dirty tracking; `null` where QEMU takes no such device. */
export const readTrackingStart = (runs: Fact<MigrationRuns>): Fact<TrackingStart | null> =>
  map(runs, (known) => startOf(known.runs));

const startOf = oncePer((runs: MigrationRuns['runs']): TrackingStart | null => {
  const [first] = runs;
  if (!first) return null;
  const possibleFailure = runs.find(({ start }) => start.failure)?.start.failure;
  const failure = runs.every(({ start }) => start.failure) ? possibleFailure : undefined;
  const { ranges } = first.start;
  return {
    ...boundsOver(
      ['kernelBytes'],
      runs.map(({ guest, start: { kernelBytes } }) => ({ guest, figures: { kernelBytes } })),
    ),
    ...(runs.every(({ start }) => areSame(start.ranges, ranges)) && { ranges }),
    ...(failure && { failure }),
    ...(possibleFailure && { possibleFailure }),
  };
});

const areSame = (some: readonly LoggingRange[], others: readonly LoggingRange[]): boolean =>
  some.length === others.length &&
  some.every(({ iova, size }, i) => iova === others[i]?.iova && size === others[i]?.size);
