import { figuresOf } from '../simulator/index.ts';
import { type Bounds, boundsOver, type Witness } from './bounds.ts';
import { type Fact, map } from './fact.ts';
import type { MigrationRun, MigrationRuns } from './migration-run.ts';
import { oncePer } from './remembered.ts';

/** What one pass over the dirty bitmaps costs. */
export interface SyncFigures {
  /** Ranges that QEMU asks for: sections, or what the guest maps. */
  readonly queries: bigint;
  /** Ioctls that this takes: one a range from type1, one a range from each device or IOMMU page table that tracks. */
  readonly ioctls: bigint;
  readonly bitmapBytes: bigint;
  readonly largestBitmapBytes: bigint;
  /** Bytes that are found dirty, so that they are sent again. */
  readonly dirtyBytesPerPass: bigint;
}

const AMOUNTS = [
  'queries',
  'ioctls',
  'bitmapBytes',
  'largestBitmapBytes',
  'dirtyBytesPerPass',
] as const satisfies readonly (keyof SyncFigures)[];

/** What one pass costs; `null` where QEMU takes no such device. */
export const readSync = (runs: Fact<MigrationRuns>): Fact<Bounds<SyncFigures> | null> =>
  map(runs, (known) => syncOf(known.runs));

const syncOf = oncePer((runs: MigrationRuns['runs']) =>
  runs.length === 0 ? null : boundsOver(AMOUNTS, runs.flatMap(witnessesOf)),
);

/** What a device wrote is anything from nothing to all that it can reach, where not every mapped page counts as dirty. */
function witnessesOf({ guest, queries }: MigrationRun): Witness<SyncFigures>[] {
  const figures = figuresOf({ steps: queries, leftMapped: [] });
  const pass = (dirtyBytesPerPass: bigint): SyncFigures => ({
    queries: figures.queries,
    ioctls: figures.allIoctls,
    bitmapBytes: figures.queryBitmapBytes,
    largestBitmapBytes: figures.peakBitmapBytes,
    dirtyBytesPerPass,
  });
  if (figures.dirtyBytes === figures.dirtyBytesAtMost) return [{ guest, figures: pass(figures.dirtyBytes) }];
  return [
    { guest: withDevices(guest, 'write to all that is mapped'), figures: pass(figures.dirtyBytesAtMost) },
    { guest: withDevices(guest, 'write nothing'), figures: pass(figures.dirtyBytes) },
  ];
}

/** What the guest does, and what its devices do. */
export const withDevices = (guest: string, do_: string): string =>
  guest === '' ? `the devices ${do_}` : `${guest}, and the devices ${do_}`;
