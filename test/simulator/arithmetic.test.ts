import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  alignedPowerOfTwo,
  bitmapBytes,
  bitmapPages,
  coverableBytes,
  powerOfTwoPieces,
} from '../../src/simulator/index.ts';

const MIB = 1n << 20n;
const GIB = 1n << 30n;
const TIB = 1n << 40n;
const MAX = (1n << 64n) - 1n;

describe('the dirty bitmap of', () => {
  it.each([
    ['4 KiB', 4096n, 4096n, 8n],
    ['2 MiB', 2n * MIB, 4096n, 64n],
    ['1 GiB', GIB, 4096n, 32n << 10n],
    ['512 GiB', 512n * GIB, 4096n, 16n * MIB],
    ['8 TiB', 8n * TIB, 4096n, 256n * MIB],
    ['8 TiB and a page', 8n * TIB + 4096n, 4096n, 256n * MIB + 8n],
    ['16 TiB', 16n * TIB, 4096n, 512n * MIB],
    ['16 TiB at 64 KiB pages', 16n * TIB, 65_536n, 32n * MIB],
    ['128 TiB at 64 KiB pages', 128n * TIB, 65_536n, 256n * MIB],
    ['nothing', 0n, 4096n, 0n],
    ['all but a byte of 2^64, where C wraps', MAX, 4096n, 0n],
  ])('%s', (_name, size, pageSize, bytes) => {
    expect(bitmapBytes(size, pageSize)).toBe(bytes);
  });

  it('is one bit a page in whole words, as C computes it', () => {
    const pageSizes = fc.integer({ min: 12, max: 30 }).map((bits) => 1n << BigInt(bits));
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: MAX }), pageSizes, (size, pageSize) => {
        const rounded = BigInt.asUintN(64, size + pageSize - 1n);
        const pages = rounded / pageSize;
        expect(bitmapPages(size, pageSize)).toBe(pages);
        expect(bitmapBytes(size, pageSize)).toBe(((pages + 63n) / 64n) * 8n);
      }),
    );
  });
});

describe('one bitmap of type1 covers', () => {
  it.each([
    ['4 KiB', 0x1000n, 8n * TIB],
    ['16 KiB', 0x4000n, 32n * TIB],
    ['64 KiB', 0x10000n, 128n * TIB],
    ['4 KiB, 2 MiB or 1 GiB', 0x40201000n, 8n * TIB],
    ['none, which x86 takes for one byte', 0n, 2n * GIB],
  ])('with pages of %s', (_name, pageSizes, bytes) => {
    expect(coverableBytes(256n * MIB, pageSizes)).toBe(bytes);
  });
});

/** The largest block at `start`, found by trying every size. */
function largestBlock(start: bigint, end: bigint, bits: number): bigint {
  let best = 1n;
  for (let bit = 0n; bit <= BigInt(bits); bit++) {
    const size = 1n << bit;
    if (start % size === 0n && start + size - 1n <= end) best = size;
  }
  return best;
}

describe('power-of-two pieces', () => {
  const ranges = fc
    .record({ start: fc.bigInt({ min: 0n, max: MAX }), shift: fc.nat(63), length: fc.bigInt({ min: 1n, max: MAX }) })
    .map(({ start, shift, length }) => {
      const first = (start >> BigInt(shift)) << BigInt(shift);
      const last = first + (length >> BigInt(shift));
      return { start: first, end: last > MAX ? MAX : last };
    });

  it('are the largest aligned blocks, one after the other', () => {
    fc.assert(
      fc.property(ranges, fc.integer({ min: 1, max: 64 }), ({ start, end }, bits) => {
        expect(alignedPowerOfTwo(start, end, bits)).toBe(largestBlock(start, end, bits));
      }),
    );
  });

  it.each([
    ['all of 64 bits from 0 on', 0n, MAX, 64, 1n << 64n],
    ['39 bits from 0 on', 0n, MAX, 39, 1n << 39n],
    ['what the address is aligned to', 0x1800n, MAX, 64, 0x800n],
    ['what remains', 0x10000n, 0x12fffn, 64, 0x2000n],
  ])('the first is %s', (_name, start, end, bits, size) => {
    expect(alignedPowerOfTwo(start, end, bits)).toBe(size);
  });

  it('cover the range without gap or overlap', () => {
    fc.assert(
      fc.property(ranges, ({ start, end }) => {
        let next = start;
        for (const { iova, size } of powerOfTwoPieces(start, end, 64)) {
          expect(iova).toBe(next);
          expect(size & (size - 1n)).toBe(0n);
          next = iova + size;
        }
        expect(next).toBe(end + 1n);
      }),
    );
  });

  it('of whole pages are counted in pages, to the same blocks', () => {
    const page = fc.bigInt({ min: 0n, max: (1n << 52n) - 1n });
    fc.assert(
      fc.property(page, page, fc.nat(51), fc.constantFrom(39, 48, 64), (from, length, shift, bits) => {
        const start = (from >> BigInt(shift)) << 12n;
        // No more than 64 blocks of the widest.
        const last = start + ((length >> BigInt(Math.max(shift, 58 - bits))) << 12n) + 4095n;
        const end = last > MAX ? MAX : last;
        let next = start;
        for (const { iova, size } of powerOfTwoPieces(start, end, bits)) {
          expect(iova).toBe(next);
          expect(size).toBe(largestBlock(iova, end, bits));
          next = iova + size;
        }
        expect(next).toBe(end + 1n);
      }),
    );
  });

  it.each([
    ['all of 64 bits', 0n, MAX, 64, 1],
    ['all but the first page of 64 bits', 0x1000n, MAX, 64, 52],
    ['48 bits above the interrupt window', 0xfef0_0000n, (1n << 48n) - 1n, 48, 18],
    ['16 TiB at 16 TiB, of 2^32 pages', 1n << 44n, (1n << 45n) - 1n, 48, 1],
    ['two pages in blocks of at most 2 KiB', 0x1000n, 0x2fffn, 11, 4],
    ['a page in two halves', 0x800n, 0x17ffn, 64, 2],
    ['a page between two halves', 0x2800n, 0x47ffn, 64, 3],
    ['a page and two bytes', 0x1000n, 0x2001n, 64, 2],
  ])('%s', (_name, start, end, bits, count) => {
    expect([...powerOfTwoPieces(start, end, bits)]).toHaveLength(count);
  });
});
