import { isAtLeast, type Release, type Version } from './version.ts';

/** The Linux release that first had each ability. A distribution may configure it away, or backport it. */
const kernelSince = {
  /** Variant drivers speak migration protocol v2. */
  migrationV2: '5.18',
  /** Devices can be asked to log the DMA writes they do. */
  dmaLogging: '6.1',
  /** /dev/iommu. */
  iommufd: '6.2',
  /** An iommufd HWPT can track dirty pages, where the IOMMU can. */
  hwptDirtyTracking: '6.7',
} as const satisfies Record<string, Release>;

export type KernelAbility = keyof typeof kernelSince;

/** Whether Linux `version` has `ability`. */
export const kernelHas = (version: Version, ability: KernelAbility): boolean =>
  isAtLeast(version, kernelSince[ability]);

/** A release each side of every ability, ascending: what an unknown kernel may be. */
export const kernelReleases: readonly Release[] = ['5.15', ...Object.values(kernelSince)];
