/**
 * The kernel's legacy VFIO container (drivers/vfio/vfio_iommu_type1.c) as a state machine: mappings, the bitmaps that
 * track them, and the ioctls that QEMU issues, each with the kernel's checks in the kernel's order. Modelled on
 * 6.1.192, 6.12.107 and 7.1.8, and held to answers of real kernels; 64 KiB pages follow the same formulas and were not
 * measured.
 *
 * Ranges are `iova` and `size` in bytes, any 64-bit values. Mappings are runs (see `MappingRun`), and no cost grows
 * with the pages or the mappings in them.
 */
import { TYPE1_BITMAP_MAX, TYPE1_MAPPING_PAGES_MAX } from '../dirty-bitmap.ts';
import type { Errno } from '../errno.ts';
import { lastByte, MappingRuns, type MappingRun, runBytes, totalBytes } from '../mapping-runs.ts';
import type { IovaRange } from '../power-of-two.ts';
import { ADDRESS_MAX, ADDRESS_SPACE, larger, lowestBit, roundUp, smaller } from '../uint64.ts';
import type { KernelAbilities } from './kernel-abilities.ts';
import { beforeOverlap, beforeWrap, insideRanges, mapUntilRefused, mark } from './map-limits.ts';
import { trackingBytes } from './tracking-memory.ts';

/** Bits of `flags` in struct vfio_iommu_type1_dma_map. */
export const mapFlag = { read: 1, write: 2, vaddr: 4 } as const;
/** Bits of `flags` in struct vfio_iommu_type1_dma_unmap. */
export const unmapFlag = { getDirtyBitmap: 1, all: 2, vaddr: 4 } as const;
/** Bits of `flags` in struct vfio_iommu_type1_dirty_bitmap. */
export const dirtyPagesFlag = { start: 1, stop: 2, getBitmap: 4 } as const;

/** `argsz` without and with the bitmap that UNMAP_DMA and GET_BITMAP take. */
const UNMAP_BYTES = { header: 24, bitmap: 48 } as const;
const DIRTY_PAGES_BYTES = { header: 8, bitmap: 48 } as const;

/** Pages that one 64-bit word of a bitmap covers; the kernel copies whole words to the caller. */
const PAGES_PER_WORD = 64n;

/** What a container is opened with, and what is attached to it; fixed for its life. */
export interface Type1Setup {
  readonly kernel: KernelAbilities;
  /** VFIO_TYPE1_IOMMU (1) or VFIO_TYPE1v2_IOMMU (2). A v1 container cannot track. */
  readonly version: 1 | 2;
  /** Bytes of the smallest page that the container maps, a power of two; the only one that a bitmap may count in. */
  readonly pageSize: bigint;
  /** Whether a group behind an IOMMU is attached (vfio-pci): mappings are pinned, and while tracked wholly dirty. */
  readonly iommuGroup: boolean;
  /** Whether an emulated group is attached (a mediated device): alone, only what its driver pins or writes is dirty. */
  readonly emulatedGroup: boolean;
  /** Where mappings may lie; empty without an IOMMU group, which is anywhere. */
  readonly iovaRanges: readonly IovaRange[];
  /** Mappings that the container may hold: module parameter `dma_entry_limit` when it was opened, 65535 by default. */
  readonly dmaEntryLimit: bigint;
  /** RLIMIT_MEMLOCK in bytes, inclusive; absent with CAP_IPC_LOCK or `unlimited`. */
  readonly memlockLimit?: bigint;
  /** Bytes of kernel memory that bitmaps may take, inclusive; absent when there is always enough. */
  readonly kernelMemory?: bigint;
}

export interface Type1Container {
  readonly setup: Type1Setup;
  readonly mappings: MappingRuns;
  /** Mappings whose virtual address UNMAP_DMA took away. They stay mapped. */
  readonly withoutVaddr: MappingRuns;
  /** Mappings of other devices' memory, which are not pinned. */
  readonly deviceMemory: MappingRuns;
  /** Pages that drivers of emulated groups pinned. */
  readonly pinned: MappingRuns;
  /** Pages that the bitmaps hold as dirty. Kept only where that is not simply every mapped page. */
  readonly dirty: MappingRuns;
  /** Whether dirty tracking is on. */
  tracking: boolean;
  /** Mappings that may still be made (DMA_AVAIL). */
  entriesLeft: bigint;
  /** Bytes pinned for an IOMMU, counted for each mapping: the same page mapped twice counts twice. */
  lockedBytes: bigint;
  memlockLimit: bigint | undefined;
  /** Bytes of kernel memory that the bitmaps take, see {@link trackingBytes}. */
  bitmapBytes: bigint;
}

/** An empty container that does not track. */
export const openType1 = (setup: Type1Setup): Type1Container => ({
  setup,
  mappings: new MappingRuns(),
  withoutVaddr: new MappingRuns(),
  deviceMemory: new MappingRuns(),
  pinned: new MappingRuns(),
  dirty: new MappingRuns(),
  tracking: false,
  entriesLeft: setup.dmaEntryLimit,
  lockedBytes: 0n,
  memlockLimit: setup.memlockLimit,
  bitmapBytes: 0n,
});

/** MAP_DMA, `count` times: mapping i of `size` bytes at `iova + i * size`. */
export interface MapDma {
  readonly iova: bigint;
  readonly size: bigint;
  /** At least 1, which is the default. */
  readonly count?: bigint;
  readonly gpa?: bigint;
  /** Where the caller has the memory of the first; the default is aligned and does not wrap. */
  readonly vaddr?: bigint;
  /** Bits of {@link mapFlag}; read and write by default. */
  readonly flags?: number;
  /** What the caller's memory allows; writable by default. Looked at only for an IOMMU, which pins all but a device's. */
  readonly memory?: 'writable' | 'read-only' | 'device' | 'absent';
}

/**
 * Maps until the first refusal. `made` counts the mappings made; `errno` is the refusal's.
 *
 * Models `vfio_dma_do_map` (7.1.8, whose order of checks 6.1 and 6.12 cannot be told from).
 */
export function mapDma(container: Type1Container, request: MapDma): { errno: Errno | null; made: bigint } {
  const { setup } = container;
  const {
    iova,
    size,
    count = 1n,
    gpa,
    vaddr = 0n,
    flags = mapFlag.read | mapFlag.write,
    memory = 'writable',
  } = request;
  const protection = flags & (mapFlag.read | mapFlag.write);
  const unknown = flags & ~(mapFlag.read | mapFlag.write | (setup.kernel.updateVaddr === 'absent' ? 0 : mapFlag.vaddr));
  if (unknown !== 0 || size === 0n) return { errno: 'EINVAL', made: 0n };
  if (vaddr + size > ADDRESS_SPACE || beforeWrap(iova, size) === 0n) return { errno: setup.kernel.wrapErrno, made: 0n };
  if ((protection !== 0) === ((flags & mapFlag.vaddr) !== 0)) return { errno: 'EINVAL', made: 0n };
  if (((iova | size | vaddr) & (setup.pageSize - 1n)) !== 0n) return { errno: 'EINVAL', made: 0n };
  if (protection === 0) return { errno: returnVaddr(container, iova, size), made: 0n };

  const unreadable = memory === 'absent' || (memory === 'read-only' && (flags & mapFlag.write) !== 0);
  const isPinned = setup.iommuGroup && memory !== 'device';
  const untrackable = size / setup.pageSize > TYPE1_MAPPING_PAGES_MAX;
  const bytes = trackingBytes(size, setup.pageSize);
  const { made, errno } = mapUntilRefused(count, [
    [beforeWrap(iova, size), setup.kernel.wrapErrno],
    [beforeOverlap(container.mappings, iova, size, count), 'EEXIST'],
    [larger(container.entriesLeft, 0n), 'ENOSPC'],
    [insideRanges(setup.iovaRanges, iova, size, count), 'EINVAL'],
    [setup.iommuGroup && unreadable ? 0n : count, 'EFAULT'],
    [isPinned ? room(container.memlockLimit, container.lockedBytes, size, count) : count, 'ENOMEM'],
    [container.tracking && untrackable ? 0n : count, 'EINVAL'],
    [container.tracking ? room(setup.kernelMemory, container.bitmapBytes, bytes, count) : count, 'ENOMEM'],
  ]);
  if (made > 0n) {
    adoptMappings(container, { iova, size, count: made, ...(gpa !== undefined && { gpa }) }, memory === 'device');
  }
  return { errno, made };
}

/**
 * Takes `run` over as mapped, as in a container that is found in the middle of its life: whatever the limits, to which only
 * what is mapped from then on is held. A device's memory is not counted as locked (`vfio_pin_pages_remote`).
 */
export function adoptMappings(container: Type1Container, run: MappingRun, isDeviceMemory: boolean): void {
  const { setup } = container;
  container.mappings.add(run);
  container.entriesLeft -= run.count;
  if (isDeviceMemory) container.deviceMemory.add(run);
  else if (setup.iommuGroup) container.lockedBytes += runBytes(run);
  if (container.tracking) container.bitmapBytes += trackingBytes(run.size, setup.pageSize) * run.count;
}

/** MAP_DMA with VADDR: gives a mapping its virtual address back. */
function returnVaddr({ mappings, withoutVaddr }: Type1Container, iova: bigint, size: bigint): Errno | null {
  const [found] = mappings.overlapping(iova, iova + size - 1n);
  if (found === undefined) return 'ENOENT';
  const [invalid] = withoutVaddr.overlapping(iova, iova);
  if (invalid === undefined || found.iova !== iova || found.size !== size) return 'EINVAL';
  withoutVaddr.take(iova, iova);
  return null;
}

/** How many times `bytes`, of at most `count`, still fit under `limit`. */
const room = (limit: bigint | undefined, used: bigint, bytes: bigint, count: bigint): bigint =>
  limit === undefined ? count : larger(limit - used, 0n) / bytes;

/** The bitmap that a caller passes with UNMAP_DMA or GET_BITMAP. */
export interface UserBitmap {
  /** Bytes that one bit stands for. */
  readonly pageSize: bigint;
  readonly bytes: bigint;
  /** Whether its address is one that no user has, which is refused before it is written. */
  readonly inKernel?: boolean;
  /** Bytes from its start that can be written; all by default. */
  readonly writableBytes?: bigint;
  /** Pages whose bits are set before the call. The kernel expects none and leaves those of holes alone. */
  readonly prefilled?: Iterable<MappingRun>;
}

/** UNMAP_DMA of [iova, iova + size). */
export interface UnmapDma {
  readonly iova: bigint;
  readonly size: bigint;
  /** Bits of {@link unmapFlag}; none by default. */
  readonly flags?: number;
  readonly bitmap?: UserBitmap;
  /** Bytes of the argument; by default what it holds. */
  readonly argsz?: number;
}

export interface UnmapResult {
  readonly errno: Errno | null;
  /** The size field as the caller finds it: bytes unmapped (with VADDR: bytes found), unchanged after an error. */
  readonly size: bigint;
  /** Mappings that went, ascending; some may have gone before an error. */
  readonly unmapped: readonly MappingRun[];
  /** Pages whose bit is set in the caller's bitmap afterwards, as runs; none without a bitmap. */
  readonly dirty: readonly MappingRun[];
}

/**
 * Unmaps every mapping in a range, which may hold holes and may reach past what can be mapped. No mapping is cut: v2
 * refuses, v1 unmaps nothing when it would cut the first and all of the last.
 *
 * Models `vfio_iommu_type1_unmap_dma` and `vfio_dma_do_unmap`.
 */
export function unmapDma(container: Type1Container, request: UnmapDma): UnmapResult {
  const { iova, size, flags = 0, bitmap } = request;
  const refused = (errno: Errno): UnmapResult => ({ errno, size, unmapped: [], dirty: [] });
  const fault = unmapFault(container, request);
  if (fault !== null) return refused(fault);

  const all = (flags & unmapFlag.all) !== 0;
  const last = all ? ADDRESS_MAX : iova + size - 1n;
  const { mappings } = container;
  if (container.setup.version === 2 && !all && cuts(mappings, iova, last)) return refused('EINVAL');
  const found = mappings.cutBy(iova) ? [] : mappings.overlapping(iova, last);

  if ((flags & unmapFlag.vaddr) !== 0) {
    if (container.withoutVaddr.overlapping(iova, last).length > 0) return refused('EINVAL');
    for (const run of found) container.withoutVaddr.add(run);
    return { errno: null, size: totalBytes(found), unmapped: [], dirty: [] };
  }
  const withBitmap = bitmap !== undefined && (flags & unmapFlag.getDirtyBitmap) !== 0;
  const copied = withBitmap ? copyBitmaps(container, found, iova, bitmap) : undefined;
  const unmapped = copied?.runs ?? found;
  for (const run of unmapped) forget(container, run);
  const errno = copied?.errno ?? null;
  return { errno, size: errno === null ? totalBytes(unmapped) : size, unmapped, dirty: copied?.dirty ?? [] };
}

/** What is wrong with an unmap whatever is mapped, in the kernel's order of checks. */
function unmapFault({ setup, tracking }: Type1Container, request: UnmapDma): Errno | null {
  const { iova, size, flags = 0, bitmap } = request;
  const { kernel, pageSize } = setup;
  const withBitmap = (flags & unmapFlag.getDirtyBitmap) !== 0;
  const argsz = request.argsz ?? (bitmap ? UNMAP_BYTES.bitmap : UNMAP_BYTES.header);
  const known =
    (kernel.dirtyPages ? unmapFlag.getDirtyBitmap : 0) |
    (kernel.unmapAll ? unmapFlag.all : 0) |
    (kernel.updateVaddr === 'absent' ? 0 : unmapFlag.vaddr);
  if (argsz < UNMAP_BYTES.header || (flags & ~known) !== 0) return 'EINVAL';
  if (withBitmap) {
    if ((flags & ~unmapFlag.getDirtyBitmap) !== 0 || argsz < UNMAP_BYTES.bitmap) return 'EINVAL';
    if (bitmap === undefined || !bitmapAccepted(bitmap, size)) return 'EINVAL';
  }
  if ((flags & unmapFlag.vaddr) !== 0 && kernel.updateVaddr === 'iommu-only' && setup.emulatedGroup) return 'EBUSY';
  if ((iova & (pageSize - 1n)) !== 0n) return 'EINVAL';
  if ((flags & unmapFlag.all) !== 0) {
    if (iova !== 0n || size !== 0n) return 'EINVAL';
  } else {
    if (size === 0n || (size & (pageSize - 1n)) !== 0n) return 'EINVAL';
    if (iova + size > ADDRESS_SPACE) return kernel.wrapErrno;
  }
  return withBitmap && (!tracking || bitmap?.pageSize !== pageSize) ? 'EINVAL' : null;
}

/**
 * Whether a bitmap's address and length do for `size` bytes, in pages of the caller's choice: that choice is judged
 * only afterwards. A page size of 0 is an undefined shift in C and reads as pages of one byte.
 *
 * Models `access_ok` (x86, coarse: it refuses kernel addresses only) and `verify_bitmap_size`.
 */
function bitmapAccepted({ pageSize, bytes, inKernel = false }: UserBitmap, size: bigint): boolean {
  const pages = size / (lowestBit(pageSize) || 1n);
  return !inKernel && pages > 0n && bytes <= TYPE1_BITMAP_MAX && bytes >= roundUp(pages, PAGES_PER_WORD) / 8n;
}

/** Whether [first, last] cuts a mapping at either end. */
const cuts = (mappings: MappingRuns, first: bigint, last: bigint): boolean =>
  mappings.cutBy(first) || mappings.cutBy(last + 1n);

/** Takes `run` out of every record of the container. */
function forget(container: Type1Container, run: MappingRun): void {
  const { setup, mappings, withoutVaddr, deviceMemory, pinned, dirty } = container;
  for (const record of [mappings, withoutVaddr, pinned, dirty]) record.take(run.iova, lastByte(run));
  const notLocked = totalBytes(deviceMemory.take(run.iova, lastByte(run)));
  container.entriesLeft += run.count;
  if (setup.iommuGroup) container.lockedBytes -= runBytes(run) - notLocked;
  if (container.tracking) container.bitmapBytes -= trackingBytes(run.size, setup.pageSize) * run.count;
}

/**
 * Copies the bitmaps of `found` to the caller, whose bit 0 stands for the page at `iova`, up to the first mapping whose
 * words the caller cannot hold. `runs` are those before it.
 *
 * A mapping's words overwrite the caller's, but the first is ORed into it unless the mapping starts on a word of the
 * range; words of holes are not touched. Back-to-back mappings leave what one mapping of their length would.
 *
 * Models `update_user_bitmap`.
 */
function copyBitmaps(
  { setup, dirty }: Type1Container,
  found: readonly MappingRun[],
  iova: bigint,
  { writableBytes = ADDRESS_SPACE, prefilled = [] }: UserBitmap,
): { errno: Errno | null; runs: MappingRun[]; dirty: MappingRun[] } {
  const { pageSize } = setup;
  const word = PAGES_PER_WORD * pageSize;
  const writableEnd = iova + (writableBytes / 8n) * word;
  const runs: MappingRun[] = [];
  if (found.length === 0) return { errno: null, runs, dirty: [...prefilled] };
  const bits = new MappingRuns(prefilled);
  for (const run of found) {
    const count = smaller(larger(writableEnd - run.iova, 0n) / run.size, run.count);
    if (count > 0n) {
      const copied = { ...run, count };
      const end = lastByte(copied);
      const intoWord = (run.iova - iova) % word;
      const overwritten = run.iova - intoWord + (intoWord === 0n ? 0n : word);
      bits.take(overwritten, iova + ((end - iova) / word + 1n) * word - 1n);
      const pages = setup.iommuGroup ? [allPages(copied, pageSize)] : dirty.overlapping(run.iova, end);
      for (const page of pages) mark(bits, page);
      runs.push(copied);
    }
    if (count < run.count) return { errno: 'EFAULT', runs, dirty: [...bits] };
  }
  return { errno: null, runs, dirty: [...bits] };
}

/** The pages of `run`. */
const allPages = ({ iova, size, count }: MappingRun, pageSize: bigint): MappingRun => ({
  iova,
  size: pageSize,
  count: (size * count) / pageSize,
});

/** VFIO_IOMMU_DIRTY_PAGES. */
export interface DirtyPages {
  /** One bit of {@link dirtyPagesFlag}. */
  readonly flags: number;
  /** What GET_BITMAP asks for. */
  readonly range?: { readonly iova: bigint; readonly size: bigint; readonly bitmap: UserBitmap };
  /** Bytes of the argument; by default what it holds. */
  readonly argsz?: number;
}

export interface DirtyPagesResult {
  readonly errno: Errno | null;
  /** Pages whose bit is set in the caller's bitmap afterwards, as runs; none but for GET_BITMAP. */
  readonly dirty: readonly MappingRun[];
}

/**
 * Starts or stops dirty tracking, or reads the bitmaps of a range. What START allocates is then in `bitmapBytes`.
 *
 * Models `vfio_iommu_type1_dirty_pages`; a kernel without it does not know the ioctl.
 */
export function dirtyPages(container: Type1Container, { flags, range, argsz }: DirtyPages): DirtyPagesResult {
  const answer = (errno: Errno | null): DirtyPagesResult => ({ errno, dirty: [] });
  if (!container.setup.kernel.dirtyPages) return answer('ENOTTY');
  if (container.setup.version === 1) return answer('EACCES');
  const bytes = argsz ?? (range ? DIRTY_PAGES_BYTES.bitmap : DIRTY_PAGES_BYTES.header);
  if (bytes < DIRTY_PAGES_BYTES.header) return answer('EINVAL');
  switch (flags) {
    case dirtyPagesFlag.start:
      return answer(startTracking(container));
    case dirtyPagesFlag.stop:
      container.tracking = false;
      container.bitmapBytes = 0n;
      container.dirty.take(0n, ADDRESS_MAX);
      return answer(null);
    case dirtyPagesFlag.getBitmap:
      return bytes < DIRTY_PAGES_BYTES.bitmap || range === undefined ? answer('EINVAL') : getBitmap(container, range);
    default:
      return answer('EINVAL');
  }
}

/**
 * One bitmap a mapping, by ascending IOVA: a single one that is too large leaves the whole container untracked.
 *
 * Models `vfio_dma_bitmap_alloc_all`.
 */
function startTracking(container: Type1Container): Errno | null {
  if (container.tracking) return null;
  const { mappings, pinned, dirty, setup } = container;
  let bytes = 0n;
  for (const { size, count } of mappings) {
    if (size / setup.pageSize > TYPE1_MAPPING_PAGES_MAX) return 'EINVAL';
    bytes += trackingBytes(size, setup.pageSize) * count;
    if (setup.kernelMemory !== undefined && bytes > setup.kernelMemory) return 'ENOMEM';
  }
  container.tracking = true;
  container.bitmapBytes = bytes;
  for (const pages of pinned) mark(dirty, pages);
  return null;
}

/** Reads and clears; pages that are still pinned are dirty again at once. Models `vfio_iova_dirty_bitmap`. */
function getBitmap(
  container: Type1Container,
  { iova, size, bitmap }: NonNullable<DirtyPages['range']>,
): DirtyPagesResult {
  const { setup, mappings, pinned, dirty } = container;
  const refused = (errno: Errno): DirtyPagesResult => ({ errno, dirty: [] });
  if (iova + size > (setup.kernel.lastPage ? ADDRESS_SPACE : ADDRESS_MAX)) return refused(setup.kernel.wrapErrno);
  if (!bitmapAccepted(bitmap, size) || bitmap.pageSize !== setup.pageSize) return refused('EINVAL');
  if (((iova | size) & (setup.pageSize - 1n)) !== 0n || !container.tracking) return refused('EINVAL');
  const last = iova + size - 1n;
  if (cuts(mappings, iova, last)) return refused('EINVAL');
  const copied = copyBitmaps(container, mappings.overlapping(iova, last), iova, bitmap);
  for (const run of copied.runs) {
    dirty.take(run.iova, lastByte(run));
    for (const pages of pinned.overlapping(run.iova, lastByte(run))) dirty.add(pages);
  }
  return { errno: copied.errno, dirty: copied.dirty };
}

/**
 * A driver of an emulated group pins `pages` (`vfio_pin_pages`), which are dirty as long as they stay pinned: EINVAL,
 * and none pinned, unless all are mapped.
 */
export function pinPages(container: Type1Container, pages: MappingRun): Errno | null {
  const errno = writePages(container, pages);
  if (errno === null) mark(container.pinned, pages);
  return errno;
}

/** A driver of an emulated group lets go of `pages` (`vfio_unpin_pages`). What was dirty stays so until it is read. */
export function unpinPages({ pinned }: Type1Container, pages: MappingRun): void {
  pinned.take(pages.iova, lastByte(pages));
}

/** A driver of an emulated group writes to `pages` (`vfio_dma_rw`): EINVAL, and no write, unless all are mapped. */
export function writePages({ mappings, dirty, tracking }: Type1Container, pages: MappingRun): Errno | null {
  const end = lastByte(pages);
  let mapped = 0n;
  for (const run of mappings.overlapping(pages.iova, end)) {
    mapped += smaller(lastByte(run), end) - larger(run.iova, pages.iova) + 1n;
  }
  if (mapped !== totalBytes([pages])) return 'EINVAL';
  if (tracking) mark(dirty, pages);
  return null;
}
