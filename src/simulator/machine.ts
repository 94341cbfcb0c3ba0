import type { SimulatorBehaviours } from './behaviours.ts';
import type { Container, Tracking } from './container/unmap.ts';
import type { MappingRun } from './mapping-runs.ts';

/** What a guest's IOMMU group is attached to. Blocking: no valid context entry, every DMA is refused. */
export type Domain = 'dma' | 'identity' | 'blocking';

/** A RAM or ROM section of system memory that VFIO maps: `size` bytes from guest physical address `gpa`. */
export interface MemorySection {
  readonly gpa: bigint;
  readonly size: bigint;
  readonly readOnly: boolean;
  /** Where the section lies in QEMU's RAM address space, in bytes; absent for what is not boot RAM and lies elsewhere. */
  readonly ramAddress?: bigint | undefined;
  /**
   * Whether it is a BAR of an assigned device: not synced, gone after a reset, and where it cannot be mapped (iommufd
   * without dma-buf) QEMU goes on. `false` by default.
   */
  readonly vfioPci?: boolean;
  /** Whether the device of that BAR is in another container, which alone may log it by itself. `false` by default. */
  readonly foreign?: boolean;
  /**
   * Bytes of a block of virtio-mem, a power of two that divides `gpa` and `size`: VFIO maps each plugged block by itself,
   * and unmaps and queries them together. Absent for what is mapped whole.
   */
  readonly blockSize?: bigint;
}

/** The mappings that VFIO makes of a section. */
export const mappingsOfSection = ({ gpa, size, blockSize = size }: MemorySection): MappingRun => ({
  iova: gpa,
  size: blockSize,
  count: size / blockSize,
  gpa,
});

/** The intel-iommu in front of a device. */
export interface IntelIommu {
  readonly model: 'intel';
  /** Bits of IOVA, 39 or 48. */
  readonly addressWidth: number;
  readonly scalableMode: boolean;
  /** The guest's first-stage tables are nested on iommufd, so that the device stays on system memory. */
  readonly firstStage: boolean;
}

/** The virtio-iommu in front of a device. */
export interface VirtioIommu {
  readonly model: 'virtio';
}

/** The amd-iommu (with `dma-remap`) in front of a device. */
export interface AmdIommu {
  readonly model: 'amd';
}

/** The arm-smmuv3 in front of a device. Without `accel` QEMU refuses VFIO behind it. */
export interface Smmuv3 {
  readonly model: 'smmuv3';
  readonly accel: boolean;
}

/** What stands between a device and system memory; `none` where the device sees guest physical addresses. */
export type Viommu = IntelIommu | VirtioIommu | AmdIommu | Smmuv3 | { readonly model: 'none' };

/** One device's container, at the moment when the guest acts. */
export interface Machine {
  readonly behaviours: SimulatorBehaviours;
  readonly viommu: Viommu;
  readonly container: Container;
  readonly tracking: Tracking;
  /** What the guest's DMA domain maps, if that is where it is. */
  readonly mappings: readonly MappingRun[];
  /** What an identity domain maps, and what VFIO is told of while the device sees system memory. */
  readonly sections: readonly MemorySection[];
}
