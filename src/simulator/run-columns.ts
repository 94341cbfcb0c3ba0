/**
 * Runs by column, which is how `mapping-runs.ts` keeps them: 33 bytes each, and sorted in linear time.
 */
import type { MappingRun } from './mapping-runs.ts';
import { ADDRESS_MAX, ADDRESS_SPACE } from './uint64.ts';

export interface RunColumns {
  /** Runs that there is room for. */
  readonly room: number;
  /** One column of `room` words each for IOVA, bytes of a mapping, number of mappings (0 stands for 2^64) and GPA. */
  readonly words: BigUint64Array;
  /** 1 where the GPA is known, else 0. */
  readonly located: Uint8Array;
}

const COLUMNS = 4;

export const emptyColumns = (room: number): RunColumns => ({
  room,
  words: new BigUint64Array(room * COLUMNS),
  located: new Uint8Array(room),
});

export const NO_COLUMNS = emptyColumns(0);

export const startAt = ({ words }: RunColumns, row: number): bigint => words[row] as bigint;

export function runAt({ room, words, located }: RunColumns, row: number): MappingRun {
  const iova = words[row] as bigint;
  const size = (words[row + room] as bigint) || ADDRESS_SPACE;
  const count = (words[row + 2 * room] as bigint) || ADDRESS_SPACE;
  return located[row] === 1 ? { iova, size, count, gpa: words[row + 3 * room] as bigint } : { iova, size, count };
}

export function putRun(
  { room, words, located }: RunColumns,
  row: number,
  { iova, size, count, gpa }: MappingRun,
): void {
  words[row] = iova;
  words[row + room] = size;
  words[row + 2 * room] = count;
  words[row + 3 * room] = gpa ?? 0n;
  located[row] = gpa === undefined ? 0 : 1;
}

/** Copies rows `from` (inclusive) to `end` (exclusive) over those of `to` from `at` on; `to` may be the same. */
export function copyRuns(runs: RunColumns, from: number, end: number, to: RunColumns, at: number): void {
  if (from === end) return;
  for (let column = 0; column < COLUMNS; column++) {
    const base = column * runs.room;
    to.words.set(runs.words.subarray(base + from, base + end), column * to.room + at);
  }
  to.located.set(runs.located.subarray(from, end), at);
}

/** `runs` by ascending IOVA; `undefined` when two overlap or one reaches past 2^64 − 1. */
export function sortedColumns(runs: readonly MappingRun[]): RunColumns | undefined {
  const columns = emptyColumns(runs.length);
  for (let row = 0; row < runs.length; row++) {
    const run = runs[row] as MappingRun;
    if (run.iova < 0n || run.iova > ADDRESS_MAX || run.size > ADDRESS_SPACE || run.count > ADDRESS_SPACE) {
      return undefined;
    }
    putRun(columns, row, run);
  }
  if (ascend(columns)) return columns;
  reorder(columns, orderOf(columns));
  return ascend(columns) ? columns : undefined;
}

const PAGE = 4096;
const ALL_PAGES = 2 ** 52;

/** Offset of the lower and the higher 32 bits in a word, which the machine's byte order decides. */
const [LOW, HIGH] = new Uint32Array(BigUint64Array.of(1n).buffer)[0] === 1 ? [0, 1] : [1, 0];

/** Whether the runs ascend without overlap and end by 2^64: counted in pages as long as all are of whole pages. */
function ascend(columns: RunColumns): boolean {
  const { room, words } = columns;
  const halves = new Uint32Array(words.buffer);
  let next = 0;
  for (let row = 0; row < room; row++) {
    const bits = (halves[2 * row + LOW] as number) | (halves[2 * (row + room) + LOW] as number);
    if ((bits & (PAGE - 1)) !== 0) return ascendByByte(columns);
    const start = wordAt(halves, row) / PAGE;
    const size = wordAt(halves, row + room) / PAGE || ALL_PAGES;
    const end = start + size * (wordAt(halves, row + 2 * room) || 2 ** 64);
    if (start < next || end > ALL_PAGES) return false;
    next = end;
  }
  return true;
}

function ascendByByte(columns: RunColumns): boolean {
  let next = 0n;
  for (let row = 0; row < columns.room; row++) {
    const { iova, size, count } = runAt(columns, row);
    if (iova < next) return false;
    next = iova + size * count;
  }
  return next <= ADDRESS_SPACE;
}

/** A word, exact where it is below 2^53 or a number of whole pages. */
const wordAt = (halves: Uint32Array, index: number): number =>
  (halves[2 * index + HIGH] as number) * 2 ** 32 + (halves[2 * index + LOW] as number);

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

/** Below it, counting digits costs more than comparing. */
const FEW = 128;

/** The rows by ascending IOVA: a radix sort, least significant digit first, which skips a digit that all share. */
function orderOf({ room, words }: RunColumns): Uint32Array {
  let order = new Uint32Array(room);
  for (let row = 0; row < room; row++) order[row] = row;
  if (room < FEW) return order.toSorted((a, b) => ((words[a] as bigint) < (words[b] as bigint) ? -1 : 1));
  const halves = new Uint32Array(words.buffer);
  const keys = new Uint32Array(room);
  let next = new Uint32Array(room);
  for (const half of [LOW, HIGH]) {
    for (let row = 0; row < room; row++) keys[row] = halves[2 * row + half] as number;
    for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
      if (scatter(keys, shift, order, next)) [order, next] = [next, order];
    }
  }
  return order;
}

/** Moves the rows of `order` to `to`, by one digit of their keys. False, with nothing moved, when all share it. */
function scatter(keys: Uint32Array, shift: number, order: Uint32Array, to: Uint32Array): boolean {
  const next = new Uint32Array(DIGITS + 1);
  for (let row = 0; row < keys.length; row++) next[digit(keys, row, shift) + 1]!++;
  if (next[digit(keys, 0, shift) + 1] === keys.length) return false;
  for (let d = 1; d < DIGITS; d++) next[d]! += next[d - 1] as number;
  for (let i = 0; i < order.length; i++) {
    const row = order[i] as number;
    to[next[digit(keys, row, shift)]!++] = row;
  }
  return true;
}

const digit = (keys: Uint32Array, row: number, shift: number): number =>
  ((keys[row] as number) >>> shift) & (DIGITS - 1);

/** Puts the run of row `order[i]` into row i, column by column; one that is the same in all rows stays. */
function reorder({ room, words, located }: RunColumns, order: Uint32Array): void {
  const sorted = new BigUint64Array(room);
  for (let base = 0; base < words.length; base += room) {
    if (isUniform(new Uint32Array(words.buffer, base * 8, room * 2), 2)) continue;
    for (let i = 0; i < room; i++) sorted[i] = words[base + (order[i] as number)] as bigint;
    words.set(sorted, base);
  }
  if (!isUniform(located, 1)) located.set(Uint8Array.from(order, (row) => located[row] as number));
}

/** Whether `items` repeats its first `period` items to the end. */
function isUniform(items: Uint32Array | Uint8Array, period: number): boolean {
  for (let i = period; i < items.length; i++) if (items[i] !== items[i - period]) return false;
  return true;
}
