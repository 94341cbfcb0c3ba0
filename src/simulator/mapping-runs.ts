import {
  copyRuns,
  emptyColumns,
  NO_COLUMNS,
  putRun,
  type RunColumns,
  runAt,
  sortedColumns,
  startAt,
} from './run-columns.ts';
import { smaller } from './uint64.ts';

/**
 * `count` mappings of `size` bytes each, back to back from `iova`. Mapping i starts at `iova + i * size` and, where `gpa`
 * is given, maps guest physical address `gpa + i * size`. `size` and `count` are at least 1; the last byte lies below 2^64.
 */
export interface MappingRun {
  readonly iova: bigint;
  readonly size: bigint;
  readonly count: bigint;
  readonly gpa?: bigint;
}

/** The last byte of `run`, inclusive. */
export const lastByte = (run: MappingRun): bigint => run.iova + run.size * run.count - 1n;

/** Bytes that `run` maps. */
export const runBytes = (run: MappingRun): bigint => run.size * run.count;

/** Bytes that `runs` map together. */
export const totalBytes = (runs: Iterable<MappingRun>): bigint => {
  let bytes = 0n;
  for (const run of runs) bytes += runBytes(run);
  return bytes;
};

/** Mappings in `runs`. */
export const totalMappings = (runs: Iterable<MappingRun>): bigint => {
  let count = 0n;
  for (const run of runs) count += run.count;
  return count;
};

/** Mappings `from` (inclusive) to `to` (exclusive) of `run`. */
function part(run: MappingRun, from: bigint, to: bigint): MappingRun {
  if (from === 0n && to === run.count) return run;
  const { iova, size, gpa } = run;
  const offset = from * size;
  const count = to - from;
  return gpa === undefined
    ? { iova: iova + offset, size, count }
    : { iova: iova + offset, size, count, gpa: gpa + offset };
}

/** Rows that are added at once, at least: a guest's memory has about so many sections. */
const SPARE_MIN = 8;

/**
 * Disjoint mappings by ascending IOVA, held as runs: what is mapped in a container, or recorded in an IOVA tree. The cost
 * of every operation grows with the number of runs it touches, never with the number of mappings in them. Mappings are
 * never merged and never split; a run is, between two mappings.
 *
 * Runs are rows of typed arrays around a gap, which is where the last edit was: one edit after the other, in either
 * direction, moves only the rows between them.
 */
export class MappingRuns implements Iterable<MappingRun> {
  #columns: RunColumns = NO_COLUMNS;
  /** Rows before the gap. */
  #gap = 0;
  /** The first row behind the gap. */
  #behind = 0;

  /** @throws RangeError when two of the `runs` overlap or one reaches past 2^64 − 1; see {@link firstOverlap}. */
  constructor(runs: Iterable<MappingRun> = []) {
    if (runs instanceof MappingRuns) {
      if (runs.#length > 0) this.#hold(runs.#copy(0));
    } else {
      const list = Array.isArray(runs) ? (runs as readonly MappingRun[]) : [...runs];
      if (list.length > 0) this.#hold(sortedColumns(list) ?? refuse(list));
    }
  }

  *[Symbol.iterator](): Generator<MappingRun, undefined> {
    for (let index = 0; index < this.#length; index++) yield this.#at(index);
  }

  /** Mappings of which a byte lies in [start, end], both inclusive, ascending. */
  overlapping(start: bigint, end: bigint): MappingRun[] {
    const found: MappingRun[] = [];
    const stop = this.#firstStartingAfter(end);
    for (let index = this.#firstEndingAt(start); index < stop; index++) {
      const run = this.#at(index);
      found.push(part(run, ...overlap(run, start, end)));
    }
    return found;
  }

  /** The mappings from the first on that ends at or above `address`, up to the end of their run. */
  from(address: bigint): MappingRun | undefined {
    const index = this.#firstEndingAt(address);
    if (index === this.#length) return undefined;
    const run = this.#at(index);
    return run.iova >= address ? run : part(run, (address - run.iova) / run.size, run.count);
  }

  /** Takes out the mappings of which a byte lies in [start, end], both inclusive, and returns them, ascending. */
  take(start: bigint, end: bigint): MappingRun[] {
    const taken = this.overlapping(start, end);
    if (taken.length > 0) {
      const first = this.#firstEndingAt(start);
      this.#replace(first, first + taken.length, this.#beside(first, taken.length, start, end));
    }
    return taken;
  }

  /**
   * As {@link take}, one run at a time, so that a million need not be there at once. They go when the last was looked at
   * or the caller breaks off; until then nothing else may change these mappings.
   */
  *drain(start: bigint, end: bigint): Generator<MappingRun, undefined> {
    const first = this.#firstEndingAt(start);
    const stop = this.#firstStartingAfter(end);
    if (first >= stop) return;
    const beside = this.#beside(first, stop - first, start, end);
    try {
      for (let index = first; index < stop; index++) {
        const run = this.#at(index);
        yield index === first || index === stop - 1 ? part(run, ...overlap(run, start, end)) : run;
      }
    } finally {
      this.#replace(first, stop, beside);
    }
  }

  /** Adds `run`. Returns false, and adds nothing, when it overlaps a mapping that is there. */
  add(run: MappingRun): boolean {
    const index = this.#firstEndingAt(run.iova);
    if (index < this.#length && startAt(this.#columns, this.#row(index)) <= lastByte(run)) return false;
    this.#replace(index, index, [run]);
    return true;
  }

  /** Whether `address` lies inside a mapping but not on its first byte: an unmap that starts there would cut it. */
  cutBy(address: bigint): boolean {
    const index = this.#firstEndingAt(address);
    if (index === this.#length) return false;
    const { iova, size } = this.#at(index);
    return iova < address && (address - iova) % size !== 0n;
  }

  get #length(): number {
    return this.#columns.room - (this.#behind - this.#gap);
  }

  #row(index: number): number {
    return index < this.#gap ? index : index + this.#behind - this.#gap;
  }

  #at(index: number): MappingRun {
    return runAt(this.#columns, this.#row(index));
  }

  /** Index of the first run whose last byte is at or above `address`. */
  #firstEndingAt(address: bigint): number {
    const next = this.#firstStartingAfter(address);
    return next > 0 && lastByte(this.#at(next - 1)) >= address ? next - 1 : next;
  }

  #firstStartingAfter(address: bigint): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (startAt(this.#columns, this.#row(middle)) <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** What the `length` runs from index `first` on, which overlap [start, end], hold outside of it. */
  #beside(first: number, length: number, start: bigint, end: bigint): MappingRun[] {
    const head = this.#at(first);
    const tail = this.#at(first + length - 1);
    const [from] = overlap(head, start, end);
    const [, to] = overlap(tail, start, end);
    const beside = [];
    if (from > 0n) beside.push(part(head, 0n, from));
    if (to < tail.count) beside.push(part(tail, to, tail.count));
    return beside;
  }

  /** Puts `runs` in the place of those from `first` (inclusive) to `stop` (exclusive). */
  #replace(first: number, stop: number, runs: readonly MappingRun[]): void {
    this.#moveGap(Math.min(Math.max(this.#gap, first), stop));
    this.#behind = this.#row(stop);
    this.#gap = first;
    if (this.#behind - this.#gap < runs.length) this.#widenGap(runs.length + Math.max(SPARE_MIN, this.#length >>> 2));
    for (const run of runs) putRun(this.#columns, this.#gap++, run);
  }

  #moveGap(to: number): void {
    const columns = this.#columns;
    const width = this.#behind - this.#gap;
    if (width > 0 && to < this.#gap) copyRuns(columns, to, this.#gap, columns, to + width);
    if (width > 0 && to > this.#gap) copyRuns(columns, this.#behind, to + width, columns, this.#gap);
    this.#gap = to;
    this.#behind = to + width;
  }

  #widenGap(width: number): void {
    this.#columns = this.#copy(width);
    this.#behind = this.#gap + width;
  }

  /** A copy of all runs, with a gap of `width` rows where the gap is. */
  #copy(width: number): RunColumns {
    const copy = emptyColumns(this.#length + width);
    copyRuns(this.#columns, 0, this.#gap, copy, 0);
    copyRuns(this.#columns, this.#behind, this.#columns.room, copy, this.#gap + width);
    return copy;
  }

  #hold(columns: RunColumns): void {
    this.#columns = columns;
    this.#gap = columns.room;
    this.#behind = columns.room;
  }
}

/** The first of `runs` (ascending by `iova`) that overlaps the one before it or reaches past 2^64 − 1. */
export function firstOverlap(runs: readonly MappingRun[]): MappingRun | undefined {
  let next = 0n;
  for (const run of runs) {
    const last = lastByte(run);
    if (run.iova < next || last >= 1n << 64n) return run;
    next = last + 1n;
  }
  return undefined;
}

function refuse(runs: readonly MappingRun[]): never {
  const wrong = firstOverlap(runs.toSorted((a, b) => (a.iova < b.iova ? -1 : 1)));
  throw new RangeError(`mappings overlap at 0x${wrong?.iova.toString(16)}`);
}

/** Indexes [from, to) of the mappings of `run` that overlap [start, end]; empty when from ≥ to. */
function overlap(run: MappingRun, start: bigint, end: bigint): [bigint, bigint] {
  const from = start <= run.iova ? 0n : (start - run.iova) / run.size;
  const to = end < run.iova ? 0n : smaller((end - run.iova) / run.size + 1n, run.count);
  return [from, to];
}
