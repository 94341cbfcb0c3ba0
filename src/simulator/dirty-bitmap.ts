import { roundUp } from './uint64.ts';

/** A bitmap's length grows by whole 64-bit words. */
const PAGES_PER_WORD = 64n;

/** Whole numbers below it are exact as a Number. */
const EXACT = 1n << 53n;

/** The largest bitmap that type1 accepts, in bytes (DIRTY_BITMAP_SIZE_MAX, drivers/vfio/vfio_iommu_type1.c, 5.8 on). */
export const TYPE1_BITMAP_MAX = 1n << 28n;

/** The most pages one type1 mapping may have while tracked (DIRTY_BITMAP_PAGES_MAX = INT_MAX): one fewer than a range. */
export const TYPE1_MAPPING_PAGES_MAX = (1n << 31n) - 1n;

/**
 * Pages that a bitmap for `size` bytes covers; `pageSize` is a power of two. 0 for size 0, and for a size within a page
 * of 2^64, where C's rounding wraps.
 *
 * Models `vfio_bitmap_alloc` (hw/vfio/helpers.c, QEMU 7.2 to 11.1).
 */
export const bitmapPages = (size: bigint, pageSize: bigint): bigint => roundUp(size, pageSize) / pageSize;

/**
 * Bytes of the dirty bitmap that QEMU allocates for `size` bytes: one bit a page, rounded up to 8 bytes. 0 means that
 * QEMU's allocation fails (it asks for nothing and is given a null pointer).
 *
 * Models `vfio_bitmap_alloc` (hw/vfio/helpers.c, QEMU 7.2 to 11.1).
 */
export const bitmapBytes = (size: bigint, pageSize: bigint): bigint =>
  size < EXACT
    ? BigInt(8 * Math.ceil(Number(size) / (64 * Number(pageSize))))
    : roundUp(bitmapPages(size, pageSize), PAGES_PER_WORD) / 8n;

/**
 * Bytes that a bitmap of at most `maxBitmapBytes` can cover, modulo 2^64 as QEMU computes it: inclusive, a range of
 * exactly this size passes. `pageSizes` is the set of supported page sizes, one bit each; the smallest counts. An empty
 * set is undefined in C and reads as pages of one byte on x86, where a shift by 64 is a shift by 0.
 *
 * Models `vfio_dirty_tracking_exceed_limit` (hw/vfio/migration.c, QEMU 11.0 and 11.1).
 */
export const coverableBytes = (maxBitmapBytes: bigint, pageSizes: bigint): bigint =>
  BigInt.asUintN(64, maxBitmapBytes * 8n * (pageSizes === 0n ? 1n : pageSizes & -pageSizes));
