import type { DmaMap, IovaTree, Perm } from '../iova-tree.ts';
import { larger, smaller } from '../uint64.ts';
import { announce, type Notifier } from './notifier.ts';

/** What an entry of a page table says of memory. With `perm` 0 it is not present, whatever address it still holds. */
export interface PageTableEntry {
  readonly gpa: bigint;
  readonly perm: Perm;
}

/** 512 entries: an absent one is all zeroes, a table is the next level's. */
type Level = (PageTableEntry | Level | undefined)[];

/**
 * A second-level page table of the guest's, as intel-iommu reads it. Entries that point to further tables are taken as
 * readable and writable, which is how Linux writes them.
 */
export interface PageTable {
  /** Bits of IOVA that it translates: 39 (three levels) or 48 (four). */
  readonly addressWidth: 39 | 48;
  readonly root: Level;
}

const ENTRIES = 512n;
const ENTRY_SIZES: readonly bigint[] = [1n << 12n, 1n << 21n, 1n << 30n, 1n << 39n];
const LARGEST_LEAF = 1n << 30n;
const NOT_PRESENT: PageTableEntry = { gpa: 0n, perm: 0 };

export const emptyPageTable = (addressWidth: PageTable['addressWidth']): PageTable => ({ addressWidth, root: [] });

/** Bytes that one entry of the root covers: 1 GiB or 512 GiB. */
const rootEntrySize = ({ addressWidth }: PageTable): bigint => 1n << BigInt(addressWidth - 9);

/**
 * The guest writes the entry that translates `size` bytes (4 KiB, 2 MiB, 1 GiB or 512 GiB) from `iova`, a multiple of
 * `size`: a leaf, or without `entry` one that is all zeroes. Tables above it are made where there are none, in place of
 * a larger leaf; a table below it is forgotten.
 *
 * @throws RangeError when `table` has no such entry.
 */
export function writeEntry(table: PageTable, iova: bigint, size: bigint, entry?: PageTableEntry): void {
  let covered = rootEntrySize(table);
  if (
    !ENTRY_SIZES.includes(size) ||
    size > covered ||
    iova % size !== 0n ||
    iova >> BigInt(table.addressWidth) !== 0n
  ) {
    throw new RangeError(`no page table entry is 0x${size.toString(16)} bytes from 0x${iova.toString(16)}`);
  }
  let level = table.root;
  for (; covered > size; covered /= ENTRIES) level = tableBelow(level, indexOf(iova, covered));
  level[indexOf(iova, size)] = entry;
}

const indexOf = (iova: bigint, covered: bigint): number => Number((iova / covered) % ENTRIES);

function tableBelow(level: Level, index: number): Level {
  const below = level[index];
  if (Array.isArray(below)) return below;
  const made: Level = [];
  level[index] = made;
  return made;
}

/** What VFIO is told of `size` bytes from `iova`; an unmap has `perm` 0. */
export interface PageWalkEvent {
  readonly type: 'map' | 'unmap';
  readonly iova: bigint;
  readonly size: bigint;
  /** For an unmap this is what the entry holds *now*: 0, or the page that was mapped in its place. */
  readonly translatedAddress: bigint;
  readonly perm: Perm;
}

/**
 * Brings `tree` into line with `table` from `start` (inclusive) to `end` (exclusive), clipped to the address width, and
 * yields what each notifier hears of it, in QEMU's order. Call it for a page-selective invalidation with that range, and
 * for any other with [0, 2^64 − 1); not when the context entry is absent, where QEMU walks no table.
 *
 * 1. An entry counts whole, even where the range covers a part of it.
 * 2. A leaf that `tree` holds as it stands is passed over. One that differs from what is mapped there is preceded by one
 *    unmap of the new leaf's size, and all that it overlaps is forgotten.
 * 3. A hole in which something is mapped is one unmap of the hole's size, be it a page or a whole directory.
 * 4. An entry with a reserved bit set is passed over: what was mapped there stays mapped and in `tree`.
 *
 * Models `vtd_page_walk_level`, `vtd_page_walk_one` and `vtd_sync_shadow_page_table_range` (hw/i386/intel_iommu.c,
 * QEMU 10.2; 11.1.3 was seen to fill in an unmap's address alike).
 */
export function* syncRange(
  table: PageTable,
  tree: IovaTree,
  notifiers: readonly Notifier[],
  start: bigint,
  end: bigint,
): Generator<PageWalkEvent> {
  for (const event of walk(table, tree, start, end)) {
    for (const notifier of notifiers) yield* notify(event, notifier);
  }
}

/**
 * Forgets `tree`, fills it from `table` again and yields what `notifier` hears: every mapping in its range, no unmap.
 * QEMU does so for each notifier when its IOMMU section appears and at every dirty sync.
 *
 * Models `vtd_iommu_replay` (hw/i386/intel_iommu.c, QEMU 10.2).
 */
export function* replay(table: PageTable, tree: IovaTree, notifier: Notifier): Generator<PageWalkEvent> {
  tree.clear();
  for (const event of walk(table, tree, 0n, 1n << BigInt(table.addressWidth))) yield* notify(event, notifier);
}

function* notify({ type, perm, ...event }: PageWalkEvent, notifier: Notifier): Generator<PageWalkEvent> {
  const run = { iova: event.iova, size: event.size, count: 1n };
  for (const { iova, size } of announce(run, notifier)) yield { ...event, type, perm, iova, size };
}

function* walk(table: PageTable, tree: IovaTree, start: bigint, end: bigint): Generator<PageWalkEvent> {
  const limit = smaller(end, 1n << BigInt(table.addressWidth));
  if (start < limit) yield* walkLevel({ table, tree }, table.root, rootEntrySize(table), 0n, start, limit);
}

/** Walks `level`, whose first entry translates `size` bytes from `base`, from `start` (inclusive) to `end` (exclusive). */
function* walkLevel(
  walked: { table: PageTable; tree: IovaTree },
  level: Level,
  size: bigint,
  base: bigint,
  start: bigint,
  end: bigint,
): Generator<PageWalkEvent> {
  const { table, tree } = walked;
  const last = Number((end - 1n - base) / size);
  for (let index = Number((start - base) / size); index <= last; index++) {
    const iova = base + BigInt(index) * size;
    const entry = level[index];
    if (Array.isArray(entry)) {
      yield* walkLevel(walked, entry, size / ENTRIES, iova, larger(start, iova), smaller(end, iova + size));
      continue;
    }
    if (entry === undefined) {
      // Most holes are wide and nothing is mapped in them: one search passes over them all.
      const lastAbsent = lastOfHole(level, index, last);
      if (!tree.find({ iova, addrMask: BigInt(lastAbsent - index + 1) * size - 1n })) {
        index = lastAbsent;
        continue;
      }
    }
    const leaf = entry ?? NOT_PRESENT;
    if (!isReserved(leaf, size, table.addressWidth)) yield* applyEntry(leaf, iova, size, tree);
  }
}

/**
 * Whether an entry has a bit set that must be 0: an address at or above the address width, one that is not a multiple of
 * the leaf's size, or a leaf of 512 GiB.
 *
 * Models `vtd_slpte_nonzero_rsvd` (hw/i386/intel_iommu.c, QEMU 10.2) for the address and page size bits.
 */
const isReserved = ({ gpa, perm }: PageTableEntry, size: bigint, addressWidth: number): boolean =>
  gpa >> BigInt(addressWidth) !== 0n || (perm !== 0 && (gpa % size !== 0n || size > LARGEST_LEAF));

/** Index of the last of the absent entries that follow on `index`, at most `last`. */
function lastOfHole(level: Level, index: number, last: number): number {
  while (index < last && level[index + 1] === undefined) index++;
  return index;
}

function* applyEntry(
  { gpa, perm }: PageTableEntry,
  iova: bigint,
  size: bigint,
  tree: IovaTree,
): Generator<PageWalkEvent> {
  const map: DmaMap = { iova, addrMask: size - 1n, translatedAddress: gpa, perm };
  const mapped = tree.find(map);
  if (mapped && isSame(mapped, map)) return;
  if (mapped) {
    tree.remove(map);
    yield { type: 'unmap', iova, size, translatedAddress: gpa, perm: 0 };
  }
  if (perm !== 0) {
    tree.insert(map);
    yield { type: 'map', iova, size, translatedAddress: gpa, perm };
  }
}

const isSame = (a: DmaMap, b: DmaMap): boolean =>
  a.iova === b.iova && a.addrMask === b.addrMask && a.translatedAddress === b.translatedAddress && a.perm === b.perm;
