import type { KernelAbilities } from '../simulator/index.ts';
import { isAtLeast, type Release, type Version } from './version.ts';

/** The Linux release that first had each ability. A distribution may configure it away, or backport it. */
const kernelSince = {
  /** Dirty pages of a type1 container can be asked for. */
  dirtyPages: '5.8',
  /** A type1 container can be unmapped whole, and its virtual addresses exchanged. */
  unmapAll: '5.12',
  /** An iommufd HWPT can track dirty pages, where the IOMMU can. */
  hwptDirtyTracking: '6.7',
  /** An exchange of virtual addresses is refused where an mdev shares the container. */
  vaddrWithoutMdev: '6.3',
  /** A range that wraps at 2^64 is EOVERFLOW, no longer EINVAL. Changed after 6.12, first seen in this release. */
  overflowErrno: '7.1',
} as const satisfies Record<string, Release>;

export type KernelAbility = keyof typeof kernelSince;

/** Whether Linux `version` has `ability`. */
export const kernelHas = (version: Version, ability: KernelAbility): boolean =>
  isAtLeast(version, kernelSince[ability]);

/** What the container state machines are told of Linux `version`. */
export function kernelAbilities(version: Version): KernelAbilities {
  const isRecent = kernelHas(version, 'overflowErrno');
  const updatesVaddr = kernelHas(version, 'vaddrWithoutMdev') ? 'iommu-only' : 'any';
  return {
    wrapErrno: isRecent ? 'EOVERFLOW' : 'EINVAL',
    lastPage: isRecent,
    dirtyPages: kernelHas(version, 'dirtyPages'),
    unmapAll: kernelHas(version, 'unmapAll'),
    updateVaddr: kernelHas(version, 'unmapAll') ? updatesVaddr : 'absent',
    hwptDirtyTracking: kernelHas(version, 'hwptDirtyTracking'),
  };
}

/** Releases that differ in what the rules ask of them, ascending: what an unknown kernel may be. */
export const kernelReleases: readonly Release[] = ['6.6', kernelSince.hwptDirtyTracking];

/** Mappings that a type1 container holds unless the module says otherwise (`dma_entry_limit`, 5.1 on). */
export const DMA_ENTRY_LIMIT = 65535;
