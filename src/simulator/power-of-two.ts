import { ADDRESS_SPACE, highestBit, lowestBit, smaller } from './uint64.ts';

/** A range of IOVAs: `size` bytes from `iova`. */
export interface IovaRange {
  readonly iova: bigint;
  readonly size: bigint;
}

/**
 * Size of the largest naturally aligned power-of-two block that starts at `start` and ends at or before `end`
 * (inclusive), at most 2^`addressBits` bytes.
 *
 * Models `dma_aligned_pow2_mask` (system/dma-helpers.c, QEMU 10.2; the same since 7.2), which returns the size less one.
 */
export function alignedPowerOfTwo(start: bigint, end: bigint, addressBits: number): bigint {
  const widest = 1n << BigInt(addressBits);
  const aligned = start === 0n ? widest : smaller(lowestBit(start), widest);
  const remaining = end - start + 1n;
  return aligned <= smaller(remaining, widest) ? aligned : highestBit(remaining);
}

/**
 * The power-of-two blocks that [start, end] (inclusive) is unmapped in, ascending: their sizes rise with the alignment
 * of the address, then fall with what remains.
 */
export function* powerOfTwoPieces(start: bigint, end: bigint, addressBits: number): Generator<IovaRange> {
  if (((start | (end + 1n)) & (PAGE - 1n)) !== 0n || end >= ADDRESS_SPACE || addressBits < PAGE_BITS) {
    for (let iova = start; iova <= end; ) {
      const size = alignedPowerOfTwo(iova, end, addressBits);
      yield { iova, size };
      iova += size;
    }
    return;
  }
  // The same in whole pages, whose numbers are exact as Numbers: there are at most 2^52.
  const pages = Number((end + 1n) / PAGE);
  let iova = start;
  for (let page = Number(start / PAGE); page < pages; ) {
    const order = blockOrder(page, pages, addressBits - PAGE_BITS);
    const size = BLOCK_BYTES[order] as bigint;
    yield { iova, size };
    iova += size;
    page += BLOCK_PAGES[order] as number;
  }
}

const PAGE_BITS = 12;
const PAGE = 1n << BigInt(PAGE_BITS);

/** Pages, and bytes, of a block of each order from 0 to 52: a table, since `2 ** order` costs more than all the rest. */
export const BLOCK_PAGES: readonly number[] = Array.from({ length: 53 }, (_, order) => 2 ** order);
const BLOCK_BYTES: readonly bigint[] = BLOCK_PAGES.map((pages) => BigInt(pages) * PAGE);

/**
 * Order of the largest naturally aligned block, of 2^order pages and at most 2^`widest`, that starts at `page` and ends
 * at or before `end` (exclusive). Both count from 0, `end` up to 2^52.
 */
export const blockOrder = (page: number, end: number, widest: number): number =>
  Math.min(page === 0 ? widest : lowestBitOf(page), highestBitOf(end - page), widest);

/** Which is the lowest bit that is set in `value`, from 1 to 2^52: 0 to 52. Bitwise operators see its lower 32 bits. */
function lowestBitOf(value: number): number {
  const low = value >>> 0;
  if (low !== 0) return 31 - Math.clz32(low & -low);
  const high = value / 2 ** 32;
  return 63 - Math.clz32(high & -high);
}

const highestBitOf = (value: number): number =>
  value >= 2 ** 32 ? 63 - Math.clz32(value / 2 ** 32) : 31 - Math.clz32(value);
