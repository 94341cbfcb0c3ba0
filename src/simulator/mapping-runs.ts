import { larger, smaller } from './uint64.ts';

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
  const offset = from * run.size;
  const rest = { iova: run.iova + offset, size: run.size, count: to - from };
  return run.gpa === undefined ? rest : { ...rest, gpa: run.gpa + offset };
}

/**
 * Disjoint mappings by ascending IOVA, held as runs: what is mapped in a container, or recorded in an IOVA tree. The cost
 * of every operation grows with the number of runs it touches, never with the number of mappings in them. Mappings are
 * never merged and never split; a run is, between two mappings.
 */
export class MappingRuns implements Iterable<MappingRun> {
  /** Ascending by `iova`, disjoint. */
  readonly #runs: MappingRun[];

  /** @throws RangeError when two of the `runs` overlap or one reaches past 2^64 − 1; see {@link firstOverlap}. */
  constructor(runs: Iterable<MappingRun> = []) {
    this.#runs = [...runs].toSorted((a, b) => (a.iova < b.iova ? -1 : 1));
    const wrong = firstOverlap(this.#runs);
    if (wrong) throw new RangeError(`mappings overlap at 0x${wrong.iova.toString(16)}`);
  }

  [Symbol.iterator](): Iterator<MappingRun> {
    return this.#runs[Symbol.iterator]();
  }

  /** Mappings of which a byte lies in [start, end], both inclusive, ascending. */
  overlapping(start: bigint, end: bigint): MappingRun[] {
    const found: MappingRun[] = [];
    for (let index = this.#firstEndingAt(start); index < this.#runs.length; index++) {
      const run = this.#runs[index] as MappingRun;
      if (run.iova > end) break;
      const [from, to] = overlap(run, start, end);
      if (from < to) found.push(part(run, from, to));
    }
    return found;
  }

  /** The mappings from the first on that ends at or above `address`, up to the end of their run. */
  from(address: bigint): MappingRun | undefined {
    const run = this.#runs[this.#firstEndingAt(address)];
    if (run === undefined || run.iova >= address) return run;
    return part(run, (address - run.iova) / run.size, run.count);
  }

  /** Takes out the mappings of which a byte lies in [start, end], both inclusive, and returns them, ascending. */
  take(start: bigint, end: bigint): MappingRun[] {
    const taken: MappingRun[] = [];
    const kept: MappingRun[] = [];
    const first = this.#firstEndingAt(start);
    let index = first;
    for (; index < this.#runs.length; index++) {
      const run = this.#runs[index] as MappingRun;
      if (run.iova > end) break;
      const [from, to] = overlap(run, start, end);
      if (from > 0n) kept.push(part(run, 0n, smaller(from, run.count)));
      if (from < to) taken.push(part(run, from, to));
      if (to < run.count) kept.push(part(run, larger(to, 0n), run.count));
    }
    this.#runs.splice(first, index - first, ...kept);
    return taken;
  }

  /** Adds `run`. Returns false, and adds nothing, when it overlaps a mapping that is there. */
  add(run: MappingRun): boolean {
    const index = this.#firstEndingAt(run.iova);
    const next = this.#runs[index];
    if (next !== undefined && next.iova <= lastByte(run)) return false;
    this.#runs.splice(index, 0, run);
    return true;
  }

  /** Whether `address` lies inside a mapping but not on its first byte: an unmap that starts there would cut it. */
  cutBy(address: bigint): boolean {
    const run = this.#runs[this.#firstEndingAt(address)];
    return run !== undefined && run.iova < address && (address - run.iova) % run.size !== 0n;
  }

  /** Index of the first run whose last byte is at or above `address`. */
  #firstEndingAt(address: bigint): number {
    let low = 0;
    let high = this.#runs.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (lastByte(this.#runs[middle] as MappingRun) < address) low = middle + 1;
      else high = middle;
    }
    return low;
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

/** Indexes [from, to) of the mappings of `run` that overlap [start, end]; empty when from ≥ to. */
function overlap(run: MappingRun, start: bigint, end: bigint): [bigint, bigint] {
  const from = start <= run.iova ? 0n : (start - run.iova) / run.size;
  const to = end < run.iova ? 0n : smaller((end - run.iova) / run.size + 1n, run.count);
  return [from, to];
}
