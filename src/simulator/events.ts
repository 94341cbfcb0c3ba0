import type { Domain, MemorySection } from './machine.ts';
import type { MappingRun } from './mapping-runs.ts';

/** What the guest attaches its IOMMU group to. */
export interface Attachment {
  readonly to: Domain;
  /** What the DMA domain maps when it is attached; nothing by default. */
  readonly mappings?: readonly MappingRun[];
  /** Page tables (2 MiB, 1 GiB or 512 GiB) that are there although nothing is mapped in them; none by default. */
  readonly tables?: readonly MappingRun[];
}

/** What the guest, or whoever runs it, does next. */
export type GuestEvent =
  /** The guest maps pages in its DMA domain and invalidates them, or sends MAP requests. */
  | { readonly type: 'map'; readonly mappings: readonly MappingRun[] }
  /** The guest clears [iova, iova + size) and invalidates it, or sends an UNMAP request. */
  | { readonly type: 'unmap'; readonly iova: bigint; readonly size: bigint }
  /** One context or PASID entry, device table entry or ATTACH request; a Linux guest that switches makes several. */
  | ({ readonly type: 'attach' } & Attachment)
  /** A switch as a Linux guest makes it: through blocking where the vIOMMU has it. `dma` to `dma` is a live replace. */
  | ({ readonly type: 'switch' } & Attachment)
  /** An invalidation that changes nothing: of pages, of a domain's or all IOTLB entries, of contexts, of PASID entries. */
  | {
      readonly type: 'invalidate';
      readonly scope:
        | 'iotlb-domain'
        | 'iotlb-global'
        | 'context-device'
        | 'context-domain'
        | 'context-global'
        | 'pasid';
    }
  | { readonly type: 'invalidate'; readonly scope: 'pages'; readonly iova: bigint; readonly size: bigint }
  /** The guest turns translation on or off (GCMD.TE). */
  | { readonly type: 'translation'; readonly on: boolean }
  /** The driver lets go of the device and unmaps its pages one by one. */
  | { readonly type: 'driver-detach' }
  /** The device is reset, which no IOMMU hears of. */
  | { readonly type: 'device-reset' }
  /** The machine is reset. What firmware then makes of the sections are plug and unplug events. */
  | { readonly type: 'system-reset' }
  /** A section of system memory appears: memory is plugged, or firmware moves a border. */
  | { readonly type: 'plug'; readonly section: MemorySection }
  /** The section at `gpa` goes. */
  | { readonly type: 'unplug'; readonly gpa: bigint }
  /** Dirty tracking starts: with a migration, or to measure a dirty rate, which nothing blocks. */
  | { readonly type: 'tracking-start'; readonly by: 'migration' | 'dirty-rate' }
  /** One pass over all dirty bitmaps. */
  | { readonly type: 'sync' }
  | { readonly type: 'tracking-stop' };
