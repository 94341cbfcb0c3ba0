import type { UnmapBehaviours } from './behaviours.ts';
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
}

/** The intel-iommu in front of a device. */
export interface IntelIommu {
  readonly model: 'intel';
  /** Bits of IOVA, 39 or 48. */
  readonly addressWidth: number;
  readonly scalableMode: boolean;
  /** The guest's first-stage tables are nested on iommufd, so that the device stays on system memory. */
  readonly firstStage: boolean;
}

/** One device's container behind a vIOMMU, at the moment when the guest acts. */
export interface Machine {
  readonly behaviours: UnmapBehaviours;
  readonly viommu: IntelIommu;
  readonly container: Container;
  readonly tracking: Tracking;
  /** What the guest's DMA domain maps; read when the guest leaves one. */
  readonly mappings: readonly MappingRun[];
  /** What an identity domain maps; read when the guest leaves one. */
  readonly sections: readonly MemorySection[];
}
