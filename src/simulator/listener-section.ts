import type { IovaRange } from './power-of-two.ts';
import { roundUp } from './uint64.ts';

/** A section of an address space as QEMU tells its listeners of it: a stretch of one memory region. */
export interface ListenerSection {
  /** First guest physical address (for a device behind a vIOMMU: IOVA). */
  readonly gpa: bigint;
  /** Bytes, up to 2^64; `gpa + size` is at most 2^64. */
  readonly size: bigint;
  /** Where the section begins in its memory region, in bytes. */
  readonly regionOffset: bigint;
  /** RAM (ROM and a device's mapped BARs included), a vIOMMU's region, or what is neither, such as MMIO. */
  readonly kind: 'ram' | 'iommu' | 'other';
  readonly readOnly: boolean;
  /** Whether the host cannot read it (a confidential guest's private memory); `false` by default. */
  readonly protected?: boolean;
  /** Whether it is a BAR of an assigned PCI device; `false` by default. */
  readonly vfioPci?: boolean;
}

/**
 * What VFIO handles of `section`: its whole host pages of `hostPageSize` bytes (a power of two). `undefined` when VFIO
 * skips it: not DMA memory, protected, in the upper half of the address space (where a BAR is sized), out of step with
 * its region's pages, or without a whole page. `size` is exact up to 2^64.
 *
 * Models `vfio_listener_valid_section` and `vfio_get_section_iova_range` (hw/vfio/listener.c, QEMU 10.2; hw/vfio/common.c
 * up to 10.0).
 */
export function vfioRange(section: ListenerSection, hostPageSize: bigint): IovaRange | undefined {
  const { gpa, size, regionOffset, kind } = section;
  if (kind === 'other' || section.protected || gpa >= 1n << 63n) return undefined;
  if ((gpa - regionOffset) % hostPageSize !== 0n) return undefined;
  const iova = roundUp(gpa, hostPageSize);
  const end = (gpa + size) & -hostPageSize;
  return iova < end ? { iova, size: end - iova } : undefined;
}
