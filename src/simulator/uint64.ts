/**
 * Unsigned 64-bit arithmetic, as C does it: every address and size in QEMU and in the kernel is a `uint64_t`, sums wrap
 * at 2^64, and some of QEMU's answers come from that wrap.
 */

/** 2^64, one more than the largest address. */
export const ADDRESS_SPACE = 1n << 64n;

/** The largest address, 2^64 − 1 (C's UINT64_MAX). */
export const ADDRESS_MAX = ADDRESS_SPACE - 1n;

/** `value` modulo 2^64. */
export const wrap = (value: bigint): bigint => BigInt.asUintN(64, value);

/** The smallest multiple of `multiple` (a power of two) that is at least `value`, modulo 2^64. QEMU's ROUND_UP. */
export const roundUp = (value: bigint, multiple: bigint): bigint => wrap(value + multiple - 1n) & -multiple;

/** The lowest set bit of `value`; 0 for 0. */
export const lowestBit = (value: bigint): bigint => value & -value;

/** The largest power of two that is at most `value` (≥ 1). */
export function highestBit(value: bigint): bigint {
  return 1n << BigInt(value.toString(2).length - 1);
}

export const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
export const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
