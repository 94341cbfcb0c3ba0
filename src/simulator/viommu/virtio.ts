import { mapRun } from '../container/map-step.ts';
import type { MappingRun } from '../mapping-runs.ts';
import { powerOfTwoPieces } from '../power-of-two.ts';
import type { State } from '../state.ts';
import type { Pass, Step } from '../steps.ts';
import { lowestBit } from '../uint64.ts';
import { notifyUnmaps } from './notify.ts';
import type { UnmapNotice } from './notifier.ts';

/** virtio-iommu cuts a mapping as if its addresses had all 64 bits. */
const ADDRESS_BITS = 64;

/**
 * The unmaps for `mappings` (by ascending IOVA) when an endpoint leaves their domain, by detach, by attach elsewhere or
 * by reset: each mapping in power-of-two pieces, the whole 2^64 bytes as one. What neither a mapping's neighbours nor
 * the address width decide: only its own alignment and size. All dirty bits are credited to address 0.
 *
 * VFIO's one notifier of virtio-iommu is [0, 2^64 − 1], so that nothing is cropped.
 *
 * Models `virtio_iommu_detach_endpoint_from_domain` and `virtio_iommu_notify_unmap` (hw/virtio/virtio-iommu.c, QEMU 10.2).
 */
export function* unmapDomain(mappings: Iterable<MappingRun>): Generator<UnmapNotice> {
  for (const run of mappings) {
    for (const { iova, size, count } of pieces(run)) yield { iova, size, count, translatedAddress: 0n };
  }
}

/** The pieces that VFIO hears of when the mappings of `run` are announced. Models `virtio_iommu_notify_map_unmap`. */
export function* pieces(run: MappingRun): Generator<MappingRun> {
  const { iova, size, count, gpa } = run;
  if (isOnePiece(iova, size)) {
    yield run;
    return;
  }
  for (let start = iova; start < iova + size * count; start += size) {
    for (const piece of powerOfTwoPieces(start, start + size - 1n, ADDRESS_BITS)) {
      yield { ...piece, count: 1n, ...(gpa !== undefined && { gpa: gpa + (piece.iova - iova) }) };
    }
  }
}

/** Whether a mapping, and so each one that follows it back to back, is a naturally aligned power of two. */
export const isOnePiece = (iova: bigint, size: bigint): boolean => lowestBit(size) === size && iova % size === 0n;

/** What VFIO is told when the endpoint leaves its domain: an unmap for every mapping, whatever tracks. */
export const leaveDomain: Pass = function* (state) {
  if (state.view === 'viommu') yield* notifyUnmaps(state, unmapDomain(state.table.leaves));
};

/** An UNMAP request for [iova, iova + size): whole mappings only, the others are refused (S_RANGE) and stay. */
export function* unmapRequest(state: State, iova: bigint, size: bigint): Generator<Step> {
  const { leaves } = state.table;
  const end = iova + size - 1n;
  if (leaves.cutBy(iova) || leaves.cutBy(end + 1n)) return;
  yield* notifyUnmaps(state, unmapDomain(leaves.take(iova, end)));
}

/** A MAP request. What overlaps a mapping is refused. */
export function* mapRequest(state: State, run: MappingRun): Generator<Step> {
  if (!state.table.leaves.add(run) || state.view !== 'viommu') return;
  for (const piece of pieces(run)) yield* mapRun(state, piece, 'viommu');
}
