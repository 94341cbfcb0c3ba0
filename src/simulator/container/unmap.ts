import type { UnmapBehaviours } from '../behaviours.ts';
import { bitmapBytes } from '../dirty-bitmap.ts';
import type { Errno } from '../errno.ts';
import type { HostKernel } from './host.ts';

/** Why dirty tracking is on; a dirty-rate measurement starts it even where migration is blocked. */
export type Tracking = 'off' | 'migration' | 'dirty-rate';

/** Who sees what the devices of a container write: all its devices, the IOMMU (HWPT), type1, or nobody. */
export type Tracker = 'device' | 'iommu' | 'type1' | 'none';

/** A VFIO container as QEMU knows it when it unmaps. */
export interface Container {
  readonly backend: 'legacy' | 'iommufd';
  readonly tracker: Tracker;
  /** Devices in the container, at least 1; each is asked for its own log. */
  readonly devices: number;
  /** HWPTs that track, on iommufd; each is asked for its own bitmap. */
  readonly trackingHwpts: number;
  /** Bytes of a host page, a power of two: what one bit of a bitmap stands for. */
  readonly pageSize: bigint;
  /** Bytes of the largest bitmap that type1 reported, inclusive. Not read on iommufd, which has no such limit. */
  readonly maxDirtyBitmapSize: bigint;
  /** Bytes of the largest allocation that the host grants QEMU, inclusive; `null` when none is refused. */
  readonly allocatable: bigint | null;
  /**
   * What every device of the container can log: bits of the ranges' lengths together, rounded up to a power of two, both
   * inclusive, and how many ranges (any number by default).
   */
  readonly loggingBits?: { readonly min: number; readonly max: number; readonly maxRanges?: number };
  /** The kernel's side of it; by default a recent kernel, an IOMMU, and no limit on what can be mapped. */
  readonly kernel?: HostKernel;
}

export interface UnmapFailure {
  /** What QEMU's function returned: a negative errno, or −1 after a failed bitmap ioctl. */
  readonly result: number;
  /** The errno that `result` reads as. */
  readonly errno: Errno;
  /** What the kernel answered, where it was asked. */
  readonly kernelErrno?: Errno;
  readonly refusedBy: 'qemu' | 'kernel' | 'allocator';
}

/** How QEMU carries out one unmap, before the kernel looks at what is mapped. */
export interface UnmapPlan {
  /** Bytes of the bitmap that is allocated; 0 without one. */
  readonly bitmapBytes: bigint;
  /** Ioctls of any kind that are issued. */
  readonly ioctls: number;
  /** What becomes of the dirty bits of the range: read with or beside the unmap, replaced by marking all, or dropped. */
  readonly dirtyBits: 'read' | 'all-marked' | 'dropped';
  /** Whether the unmap ioctl itself carries the bitmap, which is what QEMU answers −1 for when the kernel refuses it. */
  readonly bitmapInUnmap: boolean;
  /** Set when QEMU's function fails. The mapping stays if no ioctl was issued, and goes although a query failed. */
  readonly failure?: UnmapFailure;
}

/** An ordinary unmap: one ioctl, no bitmap. */
const plain: UnmapPlan = { bitmapBytes: 0n, ioctls: 1, dirtyBits: 'dropped', bitmapInUnmap: false };

/**
 * How QEMU unmaps `size` bytes. `named` says whether the unmap names an IOTLB entry; only such an unmap may ask for dirty
 * bits. Order of checks as in QEMU: the bitmap is allocated first, then held against type1's limit, then the ioctl is
 * issued.
 *
 * Models `vfio_legacy_dma_unmap_one`, `vfio_dma_unmap_bitmap` (`vfio_legacy_dma_unmap_get_dirty_bitmap` from 11.0) and
 * `iommufd_cdev_unmap` (hw/vfio/container-legacy.c, hw/vfio/iommufd.c, QEMU 7.2 to 11.1).
 */
export function planUnmap(
  container: Container,
  behaviours: UnmapBehaviours,
  tracking: Tracking,
  size: bigint,
  named: boolean,
): UnmapPlan {
  if (!named || !asksForBits(container, behaviours, tracking)) return plain;
  if (container.backend === 'iommufd' && behaviours.iommufdUnmap !== 'query-first') return plain;
  switch (container.tracker) {
    case 'type1':
      return withBitmapInUnmap(container, size);
    case 'iommu':
      return withQueries(container, size, container.trackingHwpts);
    case 'device':
      // The 7.2 code path never queries after the unmap.
      return behaviours.bitmapGate === 'saving-and-running' ? plain : withQueries(container, size, container.devices);
    case 'none':
      return behaviours.bitmapGate === 'saving-and-running' ? plain : { ...plain, dirtyBits: 'all-marked' };
  }
}

/** Whether dirty tracking counts as started for this container. From 10.0 on it never does when nobody tracks. */
function asksForBits({ tracker }: Container, { bitmapGate }: UnmapBehaviours, tracking: Tracking): boolean {
  return bitmapGate === 'tracking-started' ? tracking !== 'off' && tracker !== 'none' : tracking === 'migration';
}

function withBitmapInUnmap(container: Container, size: bigint): UnmapPlan {
  const bytes = bitmapBytes(size, container.pageSize);
  const refused = { bitmapBytes: bytes, ioctls: 0, dirtyBits: 'dropped', bitmapInUnmap: true } as const;
  if (!granted(container, bytes)) {
    return { ...refused, bitmapBytes: 0n, failure: { result: -12, errno: 'ENOMEM', refusedBy: 'allocator' } };
  }
  if (bytes > container.maxDirtyBitmapSize) {
    return { ...refused, failure: { result: -7, errno: 'E2BIG', refusedBy: 'qemu' } };
  }
  return { bitmapBytes: bytes, ioctls: 1, dirtyBits: 'read', bitmapInUnmap: true };
}

/** One unmap beside one query a tracker into one shared bitmap. The unmap is issued even if the query fails. */
function withQueries(container: Container, size: bigint, queries: number): UnmapPlan {
  const bytes = bitmapBytes(size, container.pageSize);
  if (!granted(container, bytes)) {
    return { ...plain, failure: { result: -12, errno: 'ENOMEM', refusedBy: 'allocator' } };
  }
  return { bitmapBytes: bytes, ioctls: 1 + queries, dirtyBits: 'read', bitmapInUnmap: false };
}

/** A bitmap of 0 bytes is a null pointer to QEMU, which takes it for a refusal. */
const granted = ({ allocatable }: Container, bytes: bigint): boolean =>
  bytes > 0n && (allocatable === null || bytes <= allocatable);
