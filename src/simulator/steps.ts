import type { MapStep } from './container/map-step.ts';
import type { UnmapStep } from './container/unmap-step.ts';
import type { Tracker } from './container/unmap.ts';
import type { Errno } from './errno.ts';
import type { LoggingRange } from './logging-ranges.ts';
import type { State } from './state.ts';

/** A section that VFIO is told of: of system memory, or of the vIOMMU's region. */
export interface SectionStep {
  readonly kind: 'section-add' | 'section-del';
  readonly region: 'memory' | 'iommu';
  readonly iova: bigint;
  readonly size: bigint;
}

/** Dirty tracking starts, or fails to; whichever of device, IOMMU and type1 sees the writes. */
export interface TrackingStartStep {
  readonly kind: 'tracking-start';
  readonly tracker: Tracker;
  readonly ioctls: number;
  /** What each device is told to log. */
  readonly ranges: readonly LoggingRange[];
  /** Bytes of kernel memory that type1's bitmaps take from now on. */
  readonly kernelBytes: bigint;
  readonly failure?: { readonly errno: Errno; readonly refusedBy: 'kernel' | 'qemu' };
  /** Whether a migration fails of it. */
  readonly reaches?: 'migration' | 'printed';
}

export interface TrackingStopStep {
  readonly kind: 'tracking-stop';
  readonly ioctls: number;
}

/** `count` queries of one sync pass, each for `size` bytes, back to back from `iova`. */
export interface QueryStep {
  readonly kind: 'query';
  readonly iova: bigint;
  readonly size: bigint;
  readonly count: bigint;
  /** Bytes of the bitmap of each; 0 where nobody tracks and all is taken for dirty. */
  readonly bitmapBytes: bigint;
  /** Ioctls of each. */
  readonly ioctls: number;
  /** Guest physical address of the first, where it is known. */
  readonly gpa?: bigint;
  /** Bytes that are found dirty for certain, over all. */
  readonly dirtyBytes: bigint;
  /**
   * Bytes that may be found dirty: more than for certain where a device, an IOMMU or an mdev's driver knows what was
   * written, which is not simulated.
   */
  readonly dirtyBytesAtMost: bigint;
  readonly failure?: { readonly result: number; readonly errno: Errno; readonly refusedBy: 'kernel' | 'allocator' };
  /** A migration fails of a query that fails. */
  readonly reaches?: 'migration' | 'printed';
}

/** QEMU does not get so far: the reason why. */
export interface RefusedStep {
  readonly kind: 'refused';
  readonly reason: 'smmuv3-without-accel';
}

/** What happened, in order. */
export type Step = UnmapStep | MapStep | SectionStep | TrackingStartStep | TrackingStopStep | QueryStep | RefusedStep;

/** Part of what an event comes to. It may change the state, and yields what that made QEMU do. */
export type Pass = (state: State) => Iterable<Step>;
