import { type MappingRun, type MappingRuns, totalBytes } from '../mapping-runs.ts';
import type { Machine } from '../machine.ts';
import type { UnmapNotice } from '../viommu/notifier.ts';
import { planUnmap, type UnmapFailure, type UnmapPlan } from './unmap.ts';

/** Unmaps that VFIO is about to carry out. */
export interface UnmapRequest extends UnmapNotice {
  /** What asked for them: a vIOMMU's notifier, whose failure a migration hears of, or a section taken away. */
  readonly cause: 'viommu' | 'section';
  /** Whether they name an IOTLB entry; only then may dirty bits be asked for. */
  readonly named: boolean;
  /** Whether the dirty bits of `run` would be credited to the guest memory that it maps. */
  readonly credits: (run: MappingRun) => boolean;
}

/** `count` unmaps that QEMU carried out alike, each of `size` bytes, back to back from `iova`. */
export interface UnmapStep extends Pick<UnmapPlan, 'bitmapBytes' | 'ioctls' | 'failure'> {
  readonly cause: 'viommu' | 'section';
  readonly iova: bigint;
  readonly size: bigint;
  readonly count: bigint;
  /** Mapped bytes that went, over all `count`. */
  readonly unmappedBytes: bigint;
  /** Bytes of those whose dirty bits were not read, or were credited to other guest memory. */
  readonly dirtyBytesLost: bigint;
}

/** Carries out `request` on what the `host` container maps. */
export function carryOut(machine: Machine, host: MappingRuns, request: UnmapRequest): UnmapStep {
  const { iova, size, count, cause } = request;
  const plan = planUnmap(machine.container, machine.behaviours, machine.tracking, size, request.named);
  const { bitmapBytes, ioctls, failure } = plan;
  const step = { cause, iova, size, count, bitmapBytes, ioctls, ...(failure && { failure }) };
  if (ioctls === 0) return { ...step, unmappedBytes: 0n, dirtyBytesLost: 0n };
  const end = iova + size * count - 1n;
  if (host.cutBy(iova) || host.cutBy(end + 1n)) {
    return { ...step, ...cut(machine, plan), unmappedBytes: 0n, dirtyBytesLost: 0n };
  }
  const gone = host.take(iova, end);
  const lost =
    machine.tracking === 'off' ? [] : gone.filter((run) => plan.dirtyBits === 'dropped' || !request.credits(run));
  return { ...step, unmappedBytes: totalBytes(gone), dirtyBytesLost: totalBytes(lost) };
}

/**
 * An unmap that would cut a mapping: type1 refuses it, and QEMU answers −1 after an ioctl with a bitmap and −errno after
 * a plain one. iommufd answers ENOENT, which QEMU takes for an empty range: nothing goes and nobody hears of it.
 */
function cut({ container }: Machine, { bitmapInUnmap }: UnmapPlan): { failure?: UnmapFailure } {
  if (container.backend === 'iommufd') return {};
  return bitmapInUnmap
    ? { failure: { result: -1, errno: 'EPERM', kernelErrno: 'EINVAL', refusedBy: 'kernel' } }
    : { failure: { result: -22, errno: 'EINVAL', kernelErrno: 'EINVAL', refusedBy: 'kernel' } };
}
