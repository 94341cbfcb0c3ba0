import type { KernelAbilities } from '../simulator/index.ts';
import { isAtLeast, type Release, type Version } from './version.ts';

/** Something that a kernel can do. */
interface Ability {
  /** The Linux release that first could. A distribution may configure it away, or backport it. */
  readonly since: Release;
  readonly what: string;
  /** What the release rests on. */
  readonly evidence: string;
}

/** What Linux can do, oldest first. */
export const kernelAbilityTable = {
  dmaEntryLimit: {
    since: '5.1',
    what: 'a type1 container takes a limited number of mappings (dma_entry_limit)',
    evidence: '492855939bdb',
  },
  iovaRanges: {
    since: '5.4',
    what: 'type1 says which IOVAs it takes',
    evidence: 'present in 5.10.13; the release from memory',
  },
  dirtyPages: {
    since: '5.8',
    what: 'type1 tracks dirty pages, at most 256 MiB of bitmap at once',
    evidence: 'patches of May 2020, present in 5.10.13; the release from memory',
  },
  dmaAvailable: {
    since: '5.10',
    what: 'type1 says how many more mappings it takes',
    evidence: 'present in 5.10.13; the release from memory',
  },
  unmapAll: {
    since: '5.12',
    what: 'a type1 container can be unmapped whole, and its virtual addresses exchanged',
    evidence: 'absent in 5.10.13, present in 5.15.85; the release from memory',
  },
  migrationV2: {
    since: '5.18',
    what: 'VFIO drivers speak migration protocol v2',
    evidence: 'from memory',
  },
  dmaLogging: {
    since: '6.1',
    what: 'a device can log its own DMA writes',
    evidence: 'present in 6.1.192',
  },
  iommufd: {
    since: '6.2',
    what: 'iommufd, and its emulation of type1',
    evidence: 'absent in 6.1.192, present in 6.12.107; the release from memory',
  },
  vaddrWithoutMdev: {
    since: '6.3',
    what: 'an exchange of virtual addresses is refused where an mdev shares the container',
    evidence: 'present in 6.1.192 as a stable update; the release from memory',
  },
  deviceCdev: {
    since: '6.6',
    what: 'a VFIO device can be opened without its group',
    evidence: 'present in 6.12.107; the release from memory',
  },
  hwptDirtyTracking: {
    since: '6.7',
    what: 'an iommufd HWPT tracks dirty pages, where an Intel or AMD IOMMU can',
    evidence: 'in linux-next after 6.6; a 6.6 needed a backport',
  },
  smmuDirtyTracking: {
    since: '6.11',
    what: 'the same where an Arm SMMUv3 can',
    evidence: 'present in 6.12.107; the release from memory',
  },
  mapFile: {
    since: '6.13',
    what: 'iommufd maps files, so that a new QEMU process can take over',
    evidence: 'absent in 6.12.107, present in 7.1.8; the release from memory',
  },
  changeProcess: {
    since: '6.14',
    what: 'an iommufd address space can be handed to another process',
    evidence: 'absent in 6.12.107, present in 7.1.8; the release from memory',
  },
  overflowErrno: {
    since: '7.1',
    what: 'a range that wraps at 2^64 is EOVERFLOW, no longer EINVAL',
    evidence: 'measured on 6.1.192, 6.12.107 (EINVAL), 7.1.8 and 7.3.4: changed after 6.12, by 7.1',
  },
} as const satisfies Record<string, Ability>;

export type KernelAbility = keyof typeof kernelAbilityTable;

/** Whether Linux `version` has `ability`. */
export const kernelHas = (version: Version, ability: KernelAbility): boolean =>
  isAtLeast(version, kernelAbilityTable[ability].since);

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
export const kernelReleases: readonly Release[] = (
  [
    'dmaAvailable',
    'unmapAll',
    'iommufd',
    'vaddrWithoutMdev',
    'hwptDirtyTracking',
    'smmuDirtyTracking',
    'changeProcess',
  ] as const
).map((ability) => kernelAbilityTable[ability].since);

/** Mappings that a type1 container holds unless the module says otherwise (`dma_entry_limit`). */
export const DMA_ENTRY_LIMIT = 65535;
