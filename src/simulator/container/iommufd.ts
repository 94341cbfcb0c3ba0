/**
 * iommufd (drivers/iommu/iommufd, Linux 6.2 on) as a state machine: the areas of an IOAS, hardware page tables (HWPT)
 * that track what devices write, and the ioctls that QEMU issues, each with the kernel's checks in the kernel's order.
 * Modelled on 6.12.107 and 7.1.8, and held to answers of a 7.1.8.
 *
 * Ranges are `iova` and `length` in bytes, any 64-bit values. Areas are runs (see `MappingRun`), and no cost grows with
 * the pages or the areas in them.
 */
import type { Errno } from '../errno.ts';
import { lastByte, MappingRuns, type MappingRun, totalBytes } from '../mapping-runs.ts';
import type { IovaRange } from '../power-of-two.ts';
import { ADDRESS_MAX, ADDRESS_SPACE, larger, lowestBit, smaller, wrap } from '../uint64.ts';
import type { KernelAbilities } from './kernel-abilities.ts';
import { beforeOverlap, beforeWrap, insideRanges, mapUntilRefused, mark } from './map-limits.ts';
import { unmapFlag } from './type1.ts';

/** Bits of `flags` in struct iommu_ioas_map. */
export const ioasMapFlag = { fixedIova: 1, writeable: 2, readable: 4 } as const;
/** The bit of `flags` in struct iommu_hwpt_alloc that asks for dirty tracking; the kernel knows four. */
export const hwptFlag = { dirtyTracking: 2 } as const;
const HWPT_FLAGS = 0xf;
/** The bit of `flags` in struct iommu_hwpt_set_dirty_tracking. */
export const ENABLE_TRACKING = 1;
/** The bit of `flags` in struct iommu_hwpt_get_dirty_bitmap. */
export const NO_CLEAR = 1;

/** Bits of one page of a bitmap, the grain in which the kernel pins it. */
const BITS_PER_BITMAP_PAGE = 4096n * 8n;

/** What an IOAS is for; fixed for its life. */
export interface IoasSetup {
  readonly kernel: Pick<KernelAbilities, 'hwptDirtyTracking'>;
  /** Where areas may lie; empty for anywhere. */
  readonly iovaRanges: readonly IovaRange[];
  /** Bytes that areas are aligned to: the IOMMU's smallest page, or 1 before a page table is attached. */
  readonly alignment: bigint;
  /** Page sizes of the IOMMU that host memory and options allow, largest first: an area takes the largest that fit. */
  readonly iopteSizes: readonly [bigint, ...bigint[]];
  /** Whether the IOMMU tracks dirty pages (IOMMU_HW_CAP_DIRTY_TRACKING). */
  readonly dirtyTracking: boolean;
}

export interface Ioas {
  readonly setup: IoasSetup;
  readonly areas: MappingRuns;
  readonly hwpts: Hwpt[];
}

/** A page table of the IOMMU over an IOAS. */
export interface Hwpt {
  readonly ioas: Ioas;
  /** Whether it was allocated to track. */
  readonly trackable: boolean;
  tracking: boolean;
  /** Pages (of the smallest IOPTE) that are dirty; whole IOPTEs. */
  readonly dirty: MappingRuns;
}

/** An empty IOAS without a page table. */
export const openIoas = (setup: IoasSetup): Ioas => ({ setup, areas: new MappingRuns(), hwpts: [] });

/** IOMMU_IOAS_MAP, `count` times, at an IOVA of the caller's choice (FIXED_IOVA, the only way QEMU maps). */
export interface IoasMap {
  readonly iova: bigint;
  readonly length: bigint;
  /** At least 1, which is the default. */
  readonly count?: bigint;
  readonly gpa?: bigint;
  /** Bits of {@link ioasMapFlag}; all by default. */
  readonly flags?: number;
  /** Whether the caller's memory can be pinned; looked at only where a page table is to be filled. */
  readonly absent?: boolean;
}

/**
 * Maps until the first refusal. `made` counts the areas made; their number is not limited.
 *
 * Models `iommufd_ioas_map`, `iopt_check_iova`.
 */
export function ioasMap(ioas: Ioas, request: IoasMap): { errno: Errno | null; made: bigint } {
  const { setup, areas, hwpts } = ioas;
  const { iova, length, count = 1n, gpa, flags = 7, absent = false } = request;
  if ((flags & ~7) !== 0) return { errno: 'EOPNOTSUPP', made: 0n };
  if ((flags & (ioasMapFlag.writeable | ioasMapFlag.readable)) === 0) return { errno: 'EINVAL', made: 0n };
  if (iova >= ADDRESS_MAX || length >= ADDRESS_MAX) return { errno: 'EOVERFLOW', made: 0n };
  if (length === 0n || ((iova | length) & (setup.alignment - 1n)) !== 0n) return { errno: 'EINVAL', made: 0n };
  const { made, errno } = mapUntilRefused(count, [
    [beforeWrap(iova, length), 'EOVERFLOW'],
    [insideRanges(setup.iovaRanges, iova, length, count), 'EINVAL'],
    [beforeOverlap(areas, iova, length, count), 'EEXIST'],
    [absent && hwpts.length > 0 ? 0n : count, 'EFAULT'],
  ]);
  if (made > 0n) areas.add({ iova, size: length, count: made, ...(gpa !== undefined && { gpa }) });
  return { errno, made };
}

export interface IoasUnmapResult {
  readonly errno: Errno | null;
  /** The length field as the caller finds it: bytes unmapped, unchanged after an error. */
  readonly length: bigint;
  /** Areas that went, ascending; those below one that would be cut have gone although the call fails. */
  readonly unmapped: readonly MappingRun[];
}

/**
 * IOMMU_IOAS_UNMAP of [iova, iova + length), which need not be aligned; length 2^64 − 1 from IOVA 0 is everything.
 * ENOENT when nothing is mapped there, or when an area would be cut. It has no bitmap: dirty bits that were not read
 * are lost.
 *
 * Models `iommufd_ioas_unmap`, `iopt_unmap_iova_range`.
 */
export function ioasUnmap(ioas: Ioas, iova: bigint, length: bigint): IoasUnmapResult {
  const all = iova === 0n && length === ADDRESS_MAX;
  const answer = (errno: Errno | null, unmapped: readonly MappingRun[] = []): IoasUnmapResult => ({
    errno,
    length: errno === null ? totalBytes(unmapped) : length,
    unmapped,
  });
  if (!all && (iova >= ADDRESS_MAX || length >= ADDRESS_MAX)) return answer('EOVERFLOW');
  const { errno, unmapped } = unmapRange(ioas, iova, all ? ADDRESS_SPACE : length);
  return answer(errno ?? (unmapped.length === 0 && !all ? 'ENOENT' : null), unmapped);
}

/** Unmaps areas by ascending IOVA up to the first that [iova, iova + length) cuts. Models `iopt_unmap_iova`. */
function unmapRange(
  { areas, hwpts }: Ioas,
  iova: bigint,
  length: bigint,
): { errno: Errno | null; unmapped: readonly MappingRun[] } {
  if (length === 0n) return { errno: 'EINVAL', unmapped: [] };
  if (iova + length > ADDRESS_SPACE) return { errno: 'EOVERFLOW', unmapped: [] };
  if (areas.cutBy(iova)) return { errno: 'ENOENT', unmapped: [] };
  const end = iova + length;
  const [cut] = areas.cutBy(end) ? areas.overlapping(end, end) : [];
  const last = (cut?.iova ?? end) - 1n;
  const unmapped = areas.take(iova, last);
  for (const run of unmapped) for (const { dirty } of hwpts) dirty.take(run.iova, lastByte(run));
  return { errno: cut ? 'ENOENT' : null, unmapped };
}

/**
 * IOMMU_HWPT_ALLOC: EOPNOTSUPP where the IOMMU or the kernel cannot track. Nesting parents, fault queues and PASIDs
 * make no difference here.
 *
 * Models `iommufd_hwpt_alloc`.
 */
export function allocHwpt(
  ioas: Ioas,
  flags: number,
): { readonly errno: Errno } | { readonly errno: null; readonly hwpt: Hwpt } {
  const { dirtyTracking, kernel } = ioas.setup;
  const trackable = (flags & hwptFlag.dirtyTracking) !== 0;
  if ((flags & ~HWPT_FLAGS) !== 0 || (trackable && !(dirtyTracking && kernel.hwptDirtyTracking))) {
    return { errno: 'EOPNOTSUPP' };
  }
  const hwpt = { ioas, trackable, tracking: false, dirty: new MappingRuns() };
  ioas.hwpts.push(hwpt);
  return { errno: null, hwpt };
}

/**
 * IOMMU_HWPT_SET_DIRTY_TRACKING; an `undefined` HWPT is an id that does not exist. Switching on forgets what was dirty,
 * and so does switching on again.
 *
 * Models `iommufd_hwpt_set_dirty_tracking`, `iopt_set_dirty_tracking`.
 */
export function setDirtyTracking(hwpt: Hwpt | undefined, flags: number): Errno | null {
  if ((flags & ~ENABLE_TRACKING) !== 0) return 'EOPNOTSUPP';
  if (hwpt === undefined) return 'ENOENT';
  if (!hwpt.trackable) return 'EOPNOTSUPP';
  hwpt.tracking = flags === ENABLE_TRACKING;
  if (hwpt.tracking) hwpt.dirty.take(0n, ADDRESS_MAX);
  return null;
}

/** A device writes to [iova, iova + length): every IOPTE it touches is dirty, whole. Unmapped parts are ignored. */
export function writeDma({ ioas, tracking, dirty }: Hwpt, iova: bigint, length: bigint): void {
  if (!tracking) return;
  const end = iova + length - 1n;
  for (const run of ioas.areas.overlapping(iova, end)) {
    markIoptes(ioas, dirty, larger(iova, run.iova), smaller(end, lastByte(run)));
  }
}

function markIoptes(ioas: Ioas, dirty: MappingRuns, first: bigint, last: bigint): void {
  const { iova } = iopteAt(ioas, first);
  const size = ioas.setup.iopteSizes.at(-1) as bigint;
  mark(dirty, { iova, size, count: (lastByte(iopteAt(ioas, last)) + 1n - iova) / size });
}

/** The IOPTE that maps `address`, which lies in an area: the largest naturally aligned one within it. */
function iopteAt({ setup, areas }: Ioas, address: bigint): MappingRun {
  const area = areas.overlapping(address, address)[0] as MappingRun;
  const ioptes = setup.iopteSizes.map((size) => ({ iova: address & -size, size, count: 1n }));
  const fitting = ioptes.find((iopte) => iopte.iova >= area.iova && lastByte(iopte) <= lastByte(area));
  return fitting ?? (ioptes.at(-1) as MappingRun);
}

/** IOMMU_HWPT_GET_DIRTY_BITMAP. The bitmap's length is not an argument: the caller must know it. */
export interface GetDirtyBitmap {
  readonly iova: bigint;
  readonly length: bigint;
  /** Bytes that one bit stands for; of one that is no power of two, the lowest bit counts. */
  readonly pageSize: bigint;
  /** {@link NO_CLEAR} or 0, the default. */
  readonly flags?: number;
  /** Whether the reserved field is set. */
  readonly reserved?: boolean;
  /** Whether the bitmap can be written; by default it can. */
  readonly writable?: boolean;
  /** Pages whose bits are set before the call; they stay. */
  readonly prefilled?: Iterable<MappingRun>;
}

/**
 * Reads which pages were written, and forgets them unless NO_CLEAR. There is no limit to `length`. Areas may be cut;
 * the walk ends at the first hole, and bits are lost in a bitmap that cannot be written, both silently. `dirty` holds
 * the pages whose bit is set afterwards. Where the range starts or ends inside a dirty IOPTE, the bits of its full
 * length are set from there on, past the range and as far as the bitmap's last page reaches (a bitmap is taken to start
 * on a page).
 *
 * Models `iommufd_hwpt_get_dirty_bitmap`, `iommufd_check_iova_range`, `iommu_read_and_clear_dirty` (6.12 on) and
 * `record_dirty` (drivers/iommu/generic_pt, 7.1).
 */
export function getDirtyBitmap(
  hwpt: Hwpt | undefined,
  request: GetDirtyBitmap,
): { errno: Errno | null; dirty: readonly MappingRun[] } {
  const { iova, length, pageSize, flags = 0, reserved = false, writable = true, prefilled = [] } = request;
  if ((flags & ~NO_CLEAR) !== 0 || reserved) return { errno: 'EOPNOTSUPP', dirty: [] };
  if (hwpt === undefined) return { errno: 'ENOENT', dirty: [] };
  // The last byte comes from length − 1, which wraps for length 0: only from IOVA 0 that is no overflow but everything.
  const last = iova + wrap(length - 1n);
  if (last > ADDRESS_MAX) return { errno: 'EOVERFLOW', dirty: [] };
  const { alignment } = hwpt.ioas.setup;
  const misaligned = (mask: bigint): boolean => ((iova | wrap(last + 1n)) & mask) !== 0n;
  if (misaligned(alignment - 1n) || pageSize === 0n || misaligned(pageSize - 1n)) return { errno: 'EINVAL', dirty: [] };
  if (!hwpt.trackable) return { errno: 'EOPNOTSUPP', dirty: [] };

  const grain = lowestBit(pageSize);
  const bits = new MappingRuns(prefilled);
  const bitmapEnd = iova + ((last - iova) / (grain * BITS_PER_BITMAP_PAGE) + 1n) * grain * BITS_PER_BITMAP_PAGE - 1n;
  for (const [first, end] of dirtyParts(hwpt, iova, last)) {
    if (writable) {
      const from = ((first - iova) / grain) * grain;
      const to = smaller(recordedEnd(hwpt.ioas, iova, first, end), bitmapEnd) - iova;
      mark(bits, { iova: iova + from, size: grain, count: (to - from) / grain + 1n });
    }
    if ((flags & NO_CLEAR) === 0) hwpt.dirty.take(iopteAt(hwpt.ioas, first).iova, lastByte(iopteAt(hwpt.ioas, end)));
  }
  return { errno: null, dirty: [...bits] };
}

/** The dirty stretches of [iova, last], both ends inclusive, up to the first hole. */
function* dirtyParts({ ioas, dirty }: Hwpt, iova: bigint, last: bigint): Generator<[bigint, bigint]> {
  let next = iova;
  for (const run of ioas.areas.overlapping(iova, last)) {
    if (run.iova > next) return;
    const end = smaller(lastByte(run), last);
    for (const pages of dirty.overlapping(next, end)) {
      yield [pages.iova, lastByte(pages)];
    }
    next = end + 1n;
  }
}

/** Last byte whose bit the dirty stretch [first, end] sets: an IOPTE counts whole, from where the range meets it. */
function recordedEnd(ioas: Ioas, iova: bigint, first: bigint, end: bigint): bigint {
  const ends = [first, end].map((address) => {
    const iopte = iopteAt(ioas, address);
    return larger(iopte.iova, iova) + iopte.size - 1n;
  });
  return ends.reduce(larger, end);
}

/**
 * UNMAP_DMA where an iommufd stands in for the legacy container. Of the flags only ALL is known. Unlike type1 it writes
 * the size field back even on an error, once the arguments are accepted.
 *
 * Models `iommufd_vfio_unmap_dma` (drivers/iommu/iommufd/vfio_compat.c, 7.1.8). VFIO_IOMMU_DIRTY_PAGES is ENOTTY there.
 */
export function compatUnmapDma(
  ioas: Ioas,
  { iova, size, flags = 0 }: { readonly iova: bigint; readonly size: bigint; readonly flags?: number },
): { errno: Errno | null; size: bigint; unmapped: readonly MappingRun[] } {
  const all = flags === unmapFlag.all;
  if ((flags !== 0 && !all) || (all && (iova !== 0n || size !== 0n))) return { errno: 'EINVAL', size, unmapped: [] };
  const { errno, unmapped } = unmapRange(ioas, iova, all ? ADDRESS_SPACE : size);
  return { errno, size: totalBytes(unmapped), unmapped };
}
