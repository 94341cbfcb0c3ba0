import { highestBit, lowestBit, smaller } from './uint64.ts';

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
  for (let iova = start; iova <= end; ) {
    const size = alignedPowerOfTwo(iova, end, addressBits);
    yield { iova, size };
    iova += size;
  }
}
