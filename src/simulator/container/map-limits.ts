import type { Errno } from '../errno.ts';
import type { MappingRun, MappingRuns } from '../mapping-runs.ts';
import { lastByte } from '../mapping-runs.ts';
import type { IovaRange } from '../power-of-two.ts';
import { ADDRESS_SPACE, smaller } from '../uint64.ts';

/** How many of a row of map calls pass one check, and what the next one is answered with. */
export type MapLimit = readonly [passing: bigint, errno: Errno];

/**
 * How far `count` map calls, one mapping each, come when the first refusal ends them. `limits` stand in the order in
 * which the kernel checks one call, so where two checks refuse the same call the earlier one answers.
 */
export function mapUntilRefused(count: bigint, limits: readonly MapLimit[]): { made: bigint; errno: Errno | null } {
  const made = limits.reduce((least, [passing]) => smaller(least, passing), count);
  const refusal = limits.find(([passing]) => passing === made);
  return { made, errno: made === count ? null : (refusal?.[1] ?? null) };
}

/** Mappings of `size` bytes, back to back from `iova`, that end at or below 2^64 − 1. */
export const beforeWrap = (iova: bigint, size: bigint): bigint => (ADDRESS_SPACE - iova) / size;

/** Of `count` mappings of `size` bytes, back to back from `iova`, those before the first that overlaps `mappings`. */
export function beforeOverlap(mappings: MappingRuns, iova: bigint, size: bigint, count: bigint): bigint {
  const [first] = mappings.overlapping(iova, iova + size * count - 1n);
  if (first === undefined) return count;
  return first.iova <= iova ? 0n : (first.iova - iova) / size;
}

/** Of `count` mappings of `size` bytes, back to back from `iova`, those before the first outside `ranges`, if any. */
export function insideRanges(ranges: readonly IovaRange[], iova: bigint, size: bigint, count: bigint): bigint {
  if (ranges.length === 0) return count;
  const range = ranges.find((one) => one.iova <= iova && iova < one.iova + one.size);
  return range === undefined ? 0n : (range.iova + range.size - iova) / size;
}

/** Adds `pages` to a set of pages, whichever of them are in it. */
export function mark(set: MappingRuns, pages: MappingRun): void {
  set.take(pages.iova, lastByte(pages));
  set.add(pages);
}
