import { type Errno, errors } from '../errno.ts';
import { lastByte, type MappingRun } from '../mapping-runs.ts';
import type { State } from '../state.ts';
import { smaller } from '../uint64.ts';
import { type MapAttributes, mapOnHost, mappingsOf } from './host.ts';

/** `count` maps that QEMU carried out alike, one ioctl each, of `size` bytes, back to back from `iova`. */
export interface MapStep {
  readonly kind: 'map';
  /** What asked for them: a vIOMMU's notifier, or a section that appeared. */
  readonly cause: 'viommu' | 'section';
  readonly iova: bigint;
  readonly size: bigint;
  readonly count: bigint;
  readonly readOnly: boolean;
  /** Set when the kernel refused them: what QEMU's function returned. */
  readonly failure?: { readonly result: number; readonly errno: Errno; readonly refusedBy: 'kernel' };
  /** Whether QEMU goes on with a message, or gives up ("DMA mapping failed, unable to continue"). */
  readonly reaches?: 'printed' | 'abort';
}

/**
 * Maps `run` on the host. Where the kernel refuses a mapping, QEMU goes on with the next; over one that was forgotten
 * that is EEXIST, and the old translation stays.
 *
 * Models `vfio_iommu_map_notify` and `vfio_listener_region_add` (hw/vfio/listener.c) over `vfio_container_dma_map`.
 */
export function* mapRun(
  { host }: State,
  { iova, size, count, gpa }: MappingRun,
  cause: MapStep['cause'],
  attributes: MapAttributes = { readOnly: false, deviceMemory: false },
): Generator<MapStep> {
  const { readOnly, deviceMemory } = attributes;
  const fatal = cause === 'section' && !deviceMemory;
  const steps = (from: bigint, to: bigint): MapStep => ({
    kind: 'map',
    cause,
    iova: iova + from * size,
    size,
    count: to - from,
    readOnly,
  });
  for (let at = 0n; at < count; ) {
    const rest = {
      iova: iova + at * size,
      size,
      count: count - at,
      ...(gpa !== undefined && { gpa: gpa + at * size }),
    };
    const { made, errno } = mapOnHost(host, rest, attributes);
    if (made > 0n) yield steps(at, at + made);
    at += made;
    if (errno === null) continue;
    const refused = refusedAlike(mappingsOf(host).from(iova + at * size), errno, {
      iova: iova + at * size,
      size,
      count: count - at,
    });
    const failure = { result: -errors[errno].number, errno, refusedBy: 'kernel' } as const;
    yield { ...steps(at, at + refused), failure, reaches: fatal ? 'abort' : 'printed' };
    at += refused;
  }
}

/** How many of `rest`, the first of which was refused, are refused for the same reason. */
function refusedAlike(obstacle: MappingRun | undefined, errno: Errno, { iova, size, count }: MappingRun): bigint {
  if (errno === 'ENOSPC' || errno === 'ENOMEM' || errno === 'EFAULT') return count;
  if (errno !== 'EEXIST' || obstacle === undefined) return 1n;
  // Back-to-back obstacles leave no gap for one of these mappings.
  return smaller((lastByte(obstacle) - iova) / size + 1n, count);
}
