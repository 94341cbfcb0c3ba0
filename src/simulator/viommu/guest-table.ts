/**
 * A guest's page table as runs of leaves: what intel-iommu and amd-iommu read when they are told to invalidate. It says
 * the same as a tree of tables (`page-walk.ts`), at a cost that grows with runs instead of pages.
 */
import { lastByte, MappingRuns, type MappingRun } from '../mapping-runs.ts';
import { mark } from '../container/map-limits.ts';
import { smaller } from '../uint64.ts';

const KIB_4 = 1n << 12n;
/** Sizes of the leaves that a table can hold, largest first. */
const LEAF_SIZES: readonly bigint[] = [1n << 30n, 1n << 21n, KIB_4];
/** Bytes that a whole table of 512 entries covers, from the lowest level up. */
const TABLE_SPANS: readonly bigint[] = [1n << 21n, 1n << 30n, 1n << 39n];
const ENTRIES = 512n;

export interface GuestTable {
  /** What it maps, in leaves of 4 KiB, 2 MiB or 1 GiB. */
  readonly leaves: MappingRuns;
  /** Tables that are there although nothing is mapped in them, by the bytes that they cover. */
  readonly kept: readonly MappingRuns[];
}

/**
 * A page table that maps `mappings` and has no table that it does not need, but those that cover `tables`.
 *
 * @throws RangeError when mappings overlap or do not consist of whole pages of 4 KiB.
 */
export function guestTable(mappings: Iterable<MappingRun> = [], tables: Iterable<MappingRun> = []): GuestTable {
  const leaves = new MappingRuns([...mappings].flatMap((run) => [...asLeaves(run)]));
  const table = { leaves, kept: TABLE_SPANS.map(() => new MappingRuns()) };
  for (const span of tables) keep(table, span);
  return table;
}

/** Records that the table which covers `span` (2 MiB, 1 GiB or 512 GiB) is there. */
export function keep({ kept }: GuestTable, span: MappingRun): void {
  const level = TABLE_SPANS.indexOf(span.size);
  if (level >= 0) mark(kept[level] as MappingRuns, span);
}

/**
 * `run` in the leaves that a guest maps it with: as it stands where its mappings are leaves, else in the largest pages
 * that its addresses are aligned to.
 *
 * @throws RangeError when it does not consist of whole pages of 4 KiB.
 */
export function* asLeaves(run: MappingRun): Generator<MappingRun> {
  if (LEAF_SIZES.includes(run.size) && run.iova % run.size === 0n) {
    yield run;
    return;
  }
  if ((run.iova | run.size) % KIB_4 !== 0n) throw new RangeError('a guest maps whole pages of 4 KiB');
  const end = lastByte(run) + 1n;
  for (let iova = run.iova; iova < end; ) {
    const gpa = run.gpa === undefined ? undefined : run.gpa + (iova - run.iova);
    const fits = (size: bigint): boolean => (iova | (gpa ?? 0n)) % size === 0n && end - iova >= size;
    const size = LEAF_SIZES.find(fits) ?? KIB_4;
    // Up to where larger leaves take over.
    const larger = LEAF_SIZES[LEAF_SIZES.indexOf(size) - 1];
    const aligned =
      larger === undefined || ((iova ^ (gpa ?? iova)) & (larger - 1n)) !== 0n ? end : (iova | (larger - 1n)) + 1n;
    const count = ((aligned + (larger ?? 0n) <= end ? aligned : end) - iova) / size;
    yield { iova, size, count, ...(gpa !== undefined && { gpa }) };
    iova += size * count;
  }
}

/** The guest maps `run` anew; what was mapped there is gone, and so are tables that a larger leaf takes the place of. */
export function mapLeaves({ leaves, kept }: GuestTable, run: MappingRun): void {
  for (const part of asLeaves(run)) {
    mark(leaves, part);
    for (const [level, spans] of kept.entries()) {
      if ((TABLE_SPANS[level] as bigint) <= part.size) spans.take(part.iova, lastByte(part));
    }
  }
}

/**
 * The guest clears [start, end], both inclusive. Tables that lie in it whole go with their leaves, others stay though
 * they be empty, which is how Linux unmaps.
 */
export function clearLeaves(table: GuestTable, start: bigint, end: bigint): readonly MappingRun[] {
  const cleared = table.leaves.take(start, end);
  for (const run of cleared) {
    for (const span of TABLE_SPANS) {
      if (run.size >= span) continue;
      for (const address of [run.iova, lastByte(run)]) {
        const base = address & -span;
        if (base < start || base + span - 1n > end) keep(table, { iova: base, size: span, count: 1n });
      }
    }
  }
  for (const kept of table.kept) {
    for (const span of kept.overlapping(start, end)) {
      const last = lastByte(span);
      if (span.iova >= start && last <= end) kept.take(span.iova, last);
    }
  }
  return cleared;
}

/** Entries of one kind, back to back: leaves, or holes of `size` bytes each, which is what the absent entry covers. */
export interface TableEntries {
  readonly kind: 'leaf' | 'hole';
  readonly run: MappingRun;
}

/** Bits of an address within a page. */
const PAGE_BITS = 12;

/**
 * The entries that a walk from `start` (inclusive) to `end` (exclusive) meets, ascending; an entry counts whole even
 * where the range covers a part of it. `addressWidth` is 39 or 48; with any other QEMU does not start, and an entry of the
 * table at the top covers a page at least.
 */
export function* entriesIn(
  table: GuestTable,
  addressWidth: number,
  start: bigint,
  end: bigint,
): Generator<TableEntries> {
  const limit = smaller(end, 1n << BigInt(addressWidth));
  const bits = BigInt(Math.max(addressWidth - 9, PAGE_BITS));
  if (start < limit) yield* entriesOfSize(table, 1n << bits, start, limit);
}

function* entriesOfSize(table: GuestTable, size: bigint, start: bigint, end: bigint): Generator<TableEntries> {
  for (let at = start & -size; at < end; ) {
    const leaf = table.leaves.from(at);
    const taken = firstTaken(table, leaf, at, size);
    if (taken === undefined || taken >= at + size) {
      const next = taken === undefined ? end : smaller(taken & -size, end);
      const count = (next - at + size - 1n) / size;
      yield { kind: 'hole', run: { iova: at, size, count } };
      at += size * count;
      continue;
    }
    const whole = leaf === undefined || leaf.iova > at ? 0n : (lastByte(leaf) + 1n - at) / size;
    if (leaf !== undefined && whole > 0n) {
      const begin = at < start ? start & -leaf.size : at;
      const rest = table.leaves.from(begin) as MappingRun;
      const count = smaller(rest.count, (end - begin + leaf.size - 1n) / leaf.size);
      yield { kind: 'leaf', run: { ...rest, count } };
      const next = begin + leaf.size * count;
      at = (next + size - 1n) & -size;
      if (next < at) yield* entriesOfSize(table, size / ENTRIES, next, smaller(at, end));
      continue;
    }
    yield* entriesOfSize(table, size / ENTRIES, at > start ? at : start, smaller(at + size, end));
    at += size;
  }
}

/** The first address at or above `at` that a leaf, or a table of at most `size` bytes, covers. */
function firstTaken({ kept }: GuestTable, leaf: MappingRun | undefined, at: bigint, size: bigint): bigint | undefined {
  let first = leaf?.iova;
  for (const [level, spans] of kept.entries()) {
    const span = (TABLE_SPANS[level] as bigint) <= size ? spans.from(at) : undefined;
    if (span !== undefined && (first === undefined || span.iova < first)) first = span.iova;
  }
  return first;
}
