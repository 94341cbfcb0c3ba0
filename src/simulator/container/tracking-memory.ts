import { bitmapBytes } from '../dirty-bitmap.ts';
import { highestBit, roundUp } from '../uint64.ts';

/** A bitmap has one word more than it needs, to be shifted in while it is copied to a caller. */
const SPARE_BYTES = 8n;

/** kmalloc's classes that are no power of two. */
const KMALLOC_ODD_CLASSES = [96n, 192n];

/** The largest block of kmalloc (x86: MAX_PAGE_ORDER 10); above it, kvmalloc takes vmalloc. */
const KMALLOC_MAX = 4n << 20n;

/** vmalloc maps by huge pages where a block is at least one, and so rounds up to them (x86). */
const VMALLOC_HUGE_PAGE = 2n << 20n;

/** vmalloc keeps a pointer to each page. */
const POINTER_BYTES = 8n;

/** Bytes of a page of the kernel's allocators, whatever the IOMMU's smallest page is. */
const PAGE = 4096n;

/**
 * Bytes of kernel memory that tracking one type1 mapping of `mappingSize` bytes takes, at one bit for each `pageSize`.
 * A power-of-two mapping costs twice its bitmap, since a spare word lifts it into the next class.
 *
 * Models `vfio_dma_bitmap_alloc` (drivers/vfio/vfio_iommu_type1.c) on x86 with 4 KiB pages; the blocks are as measured
 * on 6.1.192, 6.12.107, 7.1.8 and 7.3.4. On a fragmented host kvmalloc may take vmalloc for less than 4 MiB.
 */
export function trackingBytes(mappingSize: bigint, pageSize: bigint): bigint {
  const wanted = bitmapBytes(mappingSize, pageSize) + SPARE_BYTES;
  if (wanted <= KMALLOC_MAX) {
    const power = highestBit(wanted - 1n) * 2n;
    return KMALLOC_ODD_CLASSES.find((bytes) => wanted <= bytes && bytes < power) ?? power;
  }
  const block = roundUp(wanted, VMALLOC_HUGE_PAGE);
  return block + (block / PAGE) * POINTER_BYTES;
}
