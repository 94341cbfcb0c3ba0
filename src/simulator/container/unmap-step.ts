import { type Errno, errors } from '../errno.ts';
import { type MappingRun, type MappingRuns, totalBytes } from '../mapping-runs.ts';
import type { State } from '../state.ts';
import { ADDRESS_SPACE } from '../uint64.ts';
import type { UnmapNotice } from '../viommu/notifier.ts';
import { mappingsOf, unmapOnHost } from './host.ts';
import { type UnmapDma, unmapFlag } from './type1.ts';
import { planUnmap, type UnmapFailure, type UnmapPlan } from './unmap.ts';

/** Unmaps that VFIO is about to carry out. */
export interface UnmapRequest extends UnmapNotice {
  /** What asked for them: a vIOMMU's notifier, whose failure a migration hears of, or a section taken away. */
  readonly cause: 'viommu' | 'section';
  /** Whether they name an IOTLB entry; only then may dirty bits be asked for. */
  readonly named: boolean;
  /** Of how many bytes of `run` the dirty bits would be credited to the guest memory that they map. */
  readonly creditedBytes: (run: MappingRun) => bigint;
  /** Whether devices cannot write there, so that there are no dirty bits to lose. */
  readonly readOnly?: boolean;
}

/** `count` unmaps that QEMU carried out alike, each of `size` bytes, back to back from `iova`. */
export interface UnmapStep extends Pick<UnmapPlan, 'bitmapBytes' | 'ioctls' | 'failure'> {
  readonly kind: 'unmap';
  readonly cause: 'viommu' | 'section';
  /** What was asked for; 2^64 bytes from 0 is everything. */
  readonly iova: bigint;
  readonly size: bigint;
  readonly count: bigint;
  /** Flags of the legacy container's ioctl: 1 with a bitmap, 2 for everything. 0 on iommufd. */
  readonly flags: number;
  /** What the kernel answered where QEMU takes that for success: nothing was mapped, on iommufd. */
  readonly kernelErrno?: Errno;
  /** Whether a running migration fails of it; what happens to a section is only printed. */
  readonly reaches?: 'migration' | 'printed';
  /** Mapped bytes that went, over all `count`. */
  readonly unmappedBytes: bigint;
  /** Bytes of those whose dirty bits were not read, or were credited to other guest memory. */
  readonly dirtyBytesLost: bigint;
}

/**
 * Carries out `request` on what the host maps: QEMU's own checks, then the kernel's. An unmap of all 2^64 bytes is one
 * ioctl or two halves (`vfio_container_dma_unmap`, `vfio_legacy_dma_unmap`, `iommufd_cdev_unmap`; up to 10.0 the halves
 * were the listener's).
 */
export function* carryOut(state: State, request: UnmapRequest): Generator<UnmapStep> {
  const { iova, size, count } = request;
  if (size === ADDRESS_SPACE && !unmapsAllAtOnce(state)) {
    const half = size / 2n;
    yield step(state, { ...request, size: half });
    yield step(state, { ...request, iova: half, size: half });
  } else if (count === 1n || eachGoesWhole(mappingsOf(state.host), request)) {
    yield step(state, request);
  } else {
    for (let i = 0n; i < count; i++) yield step(state, { ...request, iova: iova + i * size, count: 1n });
  }
}

const unmapsAllAtOnce = ({ machine, host }: State): boolean =>
  machine.behaviours.unmapAll !== 'halves' && (host.backend === 'iommufd' || host.type1.setup.kernel.unmapAll);

/** Whether no mapping reaches from one of the unmaps into another, so that all can be done as one. */
function eachGoesWhole(mappings: MappingRuns, { iova, size, count }: UnmapRequest): boolean {
  const end = iova + size * count;
  if (mappings.cutBy(iova) || mappings.cutBy(end)) return false;
  return mappings
    .overlapping(iova, end - 1n)
    .every(
      (run) =>
        (run.count === 1n && run.size <= size - ((run.iova - iova) % size)) ||
        (size % run.size === 0n && (run.iova - iova) % run.size === 0n),
    );
}

function step(state: State, request: UnmapRequest): UnmapStep {
  const { machine, host } = state;
  const { iova, size, count, cause } = request;
  const all = size === ADDRESS_SPACE;
  const { container, behaviours } = machine;
  const tracking = behaviours.bitmapGate === 'tracking-started' && !state.started ? 'off' : state.tracking;
  const plan = planUnmap(container, behaviours, tracking, size, request.named);
  const { bitmapBytes, ioctls } = plan;
  const legacy = host.backend === 'legacy';
  const flags = legacy && all ? unmapFlag.all : plan.bitmapInUnmap ? unmapFlag.getDirtyBitmap : 0;
  const taken: Mutable<UnmapStep> = {
    kind: 'unmap',
    cause,
    iova,
    size,
    count,
    bitmapBytes,
    ioctls,
    flags,
    unmappedBytes: 0n,
    dirtyBytesLost: 0n,
  };
  if (ioctls === 0) return failed(taken, state, plan.failure);

  // Several unmaps at once differ from one of their sum only in their bitmaps, which QEMU has held against the limit.
  const asked: Mutable<UnmapDma> = { iova, size: legacy && all ? 0n : size * count, flags: count === 1n ? flags : 0 };
  if (plan.bitmapInUnmap && count === 1n) asked.bitmap = { pageSize: container.pageSize, bytes: bitmapBytes };
  const { errno, unmapped } = unmapOnHost(host, asked);
  const failure = plan.failure ?? kernelFailure(errno, plan);
  if (errno !== null && !failure) taken.kernelErrno = errno;
  if (unmapped.length > 0) {
    taken.unmappedBytes = totalBytes(unmapped);
    const credited =
      plan.dirtyBits === 'dropped' ? 0n : unmapped.reduce((sum, run) => sum + request.creditedBytes(run), 0n);
    if (state.tracking !== 'off' && !request.readOnly) taken.dirtyBytesLost = taken.unmappedBytes - credited;
  }
  return failed(taken, state, failure);
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * What QEMU makes of the kernel's answer: −1 after an ioctl with a bitmap and −errno after a plain one. iommufd's ENOENT
 * it takes for an empty range, even where an area would have been cut: nothing goes and nobody hears of it.
 */
function kernelFailure(errno: Errno | null, { bitmapInUnmap }: UnmapPlan): UnmapFailure | undefined {
  if (errno === null || errno === 'ENOENT') return undefined;
  return bitmapInUnmap
    ? { result: -1, errno: 'EPERM', kernelErrno: errno, refusedBy: 'kernel' }
    : { result: -errors[errno].number, errno, kernelErrno: errno, refusedBy: 'kernel' };
}

/** Models `vfio_iommu_map_notify`, which hands an unmap's error to a running migration, and `vfio_listener_region_del`. */
function failed(taken: Mutable<UnmapStep>, { tracking }: State, failure: UnmapFailure | undefined): UnmapStep {
  if (failure) {
    taken.failure = failure;
    taken.reaches = taken.cause === 'viommu' && tracking === 'migration' ? 'migration' : 'printed';
  }
  return taken;
}
