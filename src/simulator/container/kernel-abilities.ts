/**
 * What separates one kernel from another where a container maps, unmaps and tracks. The state machines beside this file
 * are written in these names only; which kernel has which value is decided by whoever opens a container.
 */
export interface KernelAbilities {
  /** The answer of MAP_DMA, UNMAP_DMA and GET_BITMAP to a range that wraps: EINVAL up to 6.12, EOVERFLOW from 7.1. */
  readonly wrapErrno: 'EINVAL' | 'EOVERFLOW';
  /** Whether GET_BITMAP takes a range that ends exactly at 2^64: from 7.1, EINVAL up to 6.12. UNMAP_DMA always does. */
  readonly lastPage: boolean;
  /** VFIO_IOMMU_DIRTY_PAGES and UNMAP_DMA's GET_DIRTY_BITMAP flag: 5.8. */
  readonly dirtyPages: boolean;
  /** UNMAP_DMA's ALL flag: 5.12. */
  readonly unmapAll: boolean;
  /** The VADDR flags of MAP_DMA and UNMAP_DMA: 5.12. `iommu-only` (6.3, and 6.1.x): EBUSY beside an emulated group. */
  readonly updateVaddr: 'absent' | 'any' | 'iommu-only';
  /** HWPT dirty tracking of iommufd: 6.7. */
  readonly hwptDirtyTracking: boolean;
}
