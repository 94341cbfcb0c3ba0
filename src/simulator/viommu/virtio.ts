import type { MappingRun } from '../mapping-runs.ts';
import { powerOfTwoPieces } from '../power-of-two.ts';
import { lowestBit } from '../uint64.ts';
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
  for (const { iova, size, count } of mappings) {
    if (isOnePiece(iova, size)) {
      yield { iova, size, count, translatedAddress: 0n };
      continue;
    }
    for (let start = iova; start < iova + size * count; start += size) {
      for (const piece of powerOfTwoPieces(start, start + size - 1n, ADDRESS_BITS)) {
        yield { ...piece, count: 1n, translatedAddress: 0n };
      }
    }
  }
}

/** Whether a mapping, and so each one that follows it back to back, is a naturally aligned power of two. */
const isOnePiece = (iova: bigint, size: bigint): boolean => lowestBit(size) === size && iova % size === 0n;
