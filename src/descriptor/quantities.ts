/** A number of bytes as a request may write it: an integer, "12TiB", or "0x…". */
export type Size = number | string;

/** What {@link parseSize} reads from a string. */
export const SIZE_PATTERN = '^(?:0[xX][0-9a-fA-F]{1,16}|[0-9]{1,20}(?:B|[KMGTPE]iB))$';

/** An address or the size of a range of addresses. */
export const HEX_PATTERN = '^0[xX][0-9a-fA-F]{1,16}$';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];

/** The largest size, 2^64 − 1 bytes. */
const SIZE_MAX = (1n << 64n) - 1n;

/** Bytes that `size` (of {@link SIZE_PATTERN}, or a whole number) stands for; `null` above 2^64 − 1. */
export function parseSize(size: Size): bigint | null {
  const bytes = bytesOf(size);
  return bytes <= SIZE_MAX ? bytes : null;
}

/** Bytes that `size`, which was checked, stands for. */
export function bytesOf(size: Size): bigint {
  if (typeof size === 'number' || /^0x/i.test(size)) return BigInt(size);
  const digits = /^\d+/.exec(size)?.[0] ?? '';
  return BigInt(digits) << (10n * BigInt(UNITS.indexOf(size.slice(digits.length))));
}

/** `bytes` in the largest IEC unit that divides it: "16TiB", "4100KiB", "1B". */
export function formatSize(bytes: bigint): string {
  let [count, unit] = [bytes, 0];
  while (count > 0n && count % 1024n === 0n && unit < UNITS.length - 1) {
    count /= 1024n;
    unit++;
  }
  return `${count}${UNITS[unit]}`;
}

/** `value` as C prints it with `0x%lx`. */
export const hex = (value: bigint): string => `0x${value.toString(16)}`;
