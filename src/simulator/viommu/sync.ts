import { lastByte, type MappingRun, type MappingRuns } from '../mapping-runs.ts';
import { entriesIn, type GuestTable } from './guest-table.ts';

/**
 * What a page walk announces. Dirty bits of an unmap go to where the entries point *now*: 0 for holes, else the leaf that
 * took the place of what was mapped.
 */
export interface SyncEvent {
  readonly type: 'map' | 'unmap' | 'unmap-hole';
  readonly run: MappingRun;
}

/**
 * Brings `tree` into line with `table` between `start` (inclusive) and `end` (exclusive) and yields what changes, as
 * runs: `page-walk.ts` says what QEMU does entry by entry. Where leaves took the place of others the unmap and the map
 * of each alternate in QEMU; here all unmaps of a run come before its maps.
 *
 * Models `vtd_page_walk_level`, `vtd_page_walk_one` (hw/i386/intel_iommu.c, QEMU 10.2 and 11.1).
 */
export function* syncRuns(
  table: GuestTable,
  tree: MappingRuns,
  addressWidth: number,
  start: bigint,
  end: bigint,
): Generator<SyncEvent> {
  for (const { kind, run } of entriesIn(table, addressWidth, start, end)) {
    yield* kind === 'hole' ? applyHoles(run, tree) : applyLeaves(run, tree);
  }
}

/** A hole in which anything is mapped is one unmap of the hole's size, however little lies in it. */
function* applyHoles(holes: MappingRun, tree: MappingRuns): Generator<SyncEvent> {
  let next = 0n;
  for (const found of tree.take(holes.iova, lastByte(holes))) {
    for (const [from, to] of touched(holes, found)) {
      const first = from < next ? next : from;
      if (first < to) yield { type: 'unmap-hole', run: part(holes, first, to) };
      next = to;
    }
  }
}

/** Leaves that `tree` holds as they stand are passed over; others are mapped, after an unmap where they differ. */
function* applyLeaves(leaves: MappingRun, tree: MappingRuns): Generator<SyncEvent> {
  const maps = function* (from: bigint, to: bigint): Generator<SyncEvent> {
    if (from < to) yield { type: 'map', run: part(leaves, from, to) };
  };
  let mapped = 0n;
  for (const found of tree.take(leaves.iova, lastByte(leaves))) {
    const same = isSame(leaves, found);
    for (const [from, to] of touched(leaves, found)) {
      const first = from < mapped ? mapped : from;
      if (first >= to) continue;
      yield* maps(mapped, first);
      if (!same) {
        yield { type: 'unmap', run: part(leaves, first, to) };
        yield* maps(first, to);
      }
      mapped = to;
    }
  }
  yield* maps(mapped, leaves.count);
  tree.add(leaves);
}

/** Which of `entries` meet the mappings of `found` first: all that these cover, but one each where these are larger. */
function* touched(entries: MappingRun, found: MappingRun): Generator<[from: bigint, to: bigint]> {
  const index = (address: bigint): bigint => (address <= entries.iova ? 0n : (address - entries.iova) / entries.size);
  if (found.size <= entries.size) {
    yield [index(found.iova), index(lastByte(found)) + 1n];
    return;
  }
  for (let i = 0n; i < found.count; i++) {
    const from = index(found.iova + i * found.size);
    yield [from, from + 1n];
  }
}

/**
 * Whether each leaf that `found` overlaps is a mapping of `found`, both lying at multiples of their size. An address that
 * is not known counts as the same.
 */
const isSame = (leaves: MappingRun, found: MappingRun): boolean =>
  leaves.size === found.size &&
  (leaves.gpa === undefined || found.gpa === undefined || leaves.gpa - leaves.iova === found.gpa - found.iova);

const part = ({ iova, size, gpa }: MappingRun, from: bigint, to: bigint): MappingRun => ({
  iova: iova + from * size,
  size,
  count: to - from,
  ...(gpa !== undefined && { gpa: gpa + from * size }),
});
