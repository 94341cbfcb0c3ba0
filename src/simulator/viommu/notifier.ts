import { type MappingRun, lastByte } from '../mapping-runs.ts';
import { larger, smaller } from '../uint64.ts';

/** The range of IOVAs, both ends inclusive, that VFIO asked one IOMMU section of a vIOMMU to be told about. */
export interface Notifier {
  readonly start: bigint;
  readonly end: bigint;
}

/**
 * `count` unmaps that a vIOMMU tells VFIO of, each of `size` bytes, back to back from `iova`. Their dirty bits are
 * credited to guest memory from `translatedAddress` on (the next unmap's `size` bytes further on, unless it is 0);
 * absent where the mapping's guest address is not known.
 */
export interface UnmapNotice {
  readonly iova: bigint;
  readonly size: bigint;
  readonly count: bigint;
  readonly translatedAddress?: bigint;
}

/**
 * The unmaps that VFIO hears of when every mapping of `run` is announced to `notifier`: those outside are dropped, those
 * that reach out are cropped, so that a notice need not be a power of two.
 *
 * Models `memory_region_notify_iommu_one` (system/memory.c, QEMU 10.2).
 */
export function* announce(run: MappingRun, notifier: Notifier): Generator<UnmapNotice> {
  const start = larger(run.iova, notifier.start);
  const end = smaller(lastByte(run), notifier.end);
  if (start > end) return;
  let index = (start - run.iova) / run.size;
  const last = (end - run.iova) / run.size;
  const address = (i: bigint): { translatedAddress?: bigint } =>
    run.gpa === undefined ? {} : { translatedAddress: run.gpa + i * run.size };
  const first = run.iova + index * run.size;
  if (start > first) {
    const size = smaller(first + run.size - 1n, end) - start + 1n;
    yield { iova: start, size, count: 1n, ...address(index) };
    index++;
  }
  const croppedAbove = index <= last && end < run.iova + (last + 1n) * run.size - 1n;
  const whole = last + (croppedAbove ? 0n : 1n) - index;
  if (whole > 0n) yield { iova: run.iova + index * run.size, size: run.size, count: whole, ...address(index) };
  if (croppedAbove) {
    const iova = run.iova + last * run.size;
    yield { iova, size: end - iova + 1n, count: 1n, ...address(last) };
  }
}

/** What VFIO hears of mappings that lie in its notifier. */
export const noticeOf = ({ iova, size, count, gpa }: MappingRun): UnmapNotice =>
  gpa === undefined ? { iova, size, count } : { iova, size, count, translatedAddress: gpa };

/** `notice` of mappings that begin at guest address 0, so that no more than the first is taken to be credited there. */
export function* apartFromZero(notice: UnmapNotice): Generator<UnmapNotice> {
  const { iova, size, count, translatedAddress } = notice;
  if (translatedAddress !== 0n || count === 1n) {
    yield notice;
    return;
  }
  yield { ...notice, count: 1n };
  yield { iova: iova + size, size, count: count - 1n, translatedAddress: size };
}

/** The mappings that VFIO makes, or made, when it hears of them. */
export const mappingOf = ({ iova, size, count, translatedAddress }: UnmapNotice): MappingRun =>
  translatedAddress === undefined ? { iova, size, count } : { iova, size, count, gpa: translatedAddress };
