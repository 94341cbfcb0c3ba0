import type { Errno } from '../errno.ts';
import { type MappingRun, type MappingRuns, totalBytes } from '../mapping-runs.ts';
import type { IovaRange } from '../power-of-two.ts';
import { ADDRESS_MAX, ADDRESS_SPACE } from '../uint64.ts';
import { allocHwpt, hwptFlag, type Ioas, ioasMap, ioasMapFlag, ioasUnmap, openIoas } from './iommufd.ts';
import type { KernelAbilities } from './kernel-abilities.ts';
import { adoptMappings, mapDma, mapFlag, openType1, type Type1Container, type UnmapDma, unmapDma } from './type1.ts';
import type { Container } from './unmap.ts';

/** What the host kernel brings to a container. */
export interface HostKernel {
  readonly abilities: KernelAbilities;
  /** Whether a device behind an IOMMU is in it; a mediated device alone maps without one. */
  readonly iommuGroup: boolean;
  /** Where mappings may lie; empty for anywhere. */
  readonly iovaRanges: readonly IovaRange[];
  /** Mappings that a legacy container may hold. */
  readonly dmaEntryLimit: bigint;
  /** RLIMIT_MEMLOCK in bytes, inclusive; absent when unlimited. */
  readonly memlockLimit?: bigint;
  /** Bytes of kernel memory that bitmaps may take; absent when there is always enough. */
  readonly kernelMemory?: bigint;
}

/** Linux 7.1, an IOMMU, and room for anything. */
export const RECENT_KERNEL: HostKernel = {
  abilities: {
    wrapErrno: 'EOVERFLOW',
    lastPage: true,
    dirtyPages: true,
    unmapAll: true,
    updateVaddr: 'iommu-only',
    hwptDirtyTracking: true,
  },
  iommuGroup: true,
  iovaRanges: [],
  dmaEntryLimit: ADDRESS_SPACE,
};

/** The kernel's container: one of the two state machines. */
export type HostContainer =
  | { readonly backend: 'legacy'; readonly type1: Type1Container }
  | { readonly backend: 'iommufd'; readonly ioas: Ioas };

/** An empty container. */
export function openHost({
  backend,
  pageSize,
  tracker,
  trackingHwpts,
  kernel = RECENT_KERNEL,
}: Container): HostContainer {
  const { abilities, iovaRanges } = kernel;
  if (backend === 'iommufd') {
    const ioas = openIoas({
      kernel: abilities,
      iovaRanges,
      alignment: pageSize,
      iopteSizes: [pageSize],
      dirtyTracking: tracker === 'iommu',
    });
    for (let i = 0; i < trackingHwpts; i++) allocHwpt(ioas, hwptFlag.dirtyTracking);
    if (trackingHwpts === 0 && kernel.iommuGroup) allocHwpt(ioas, 0);
    return { backend, ioas };
  }
  return {
    backend,
    type1: openType1({ ...kernel, kernel: abilities, version: 2, pageSize, emulatedGroup: !kernel.iommuGroup }),
  };
}

/** What the host maps. */
export const mappingsOf = (host: HostContainer): MappingRuns =>
  host.backend === 'legacy' ? host.type1.mappings : host.ioas.areas;

/**
 * Takes `run` over as mapped, whatever the limits: {@link adoptMappings}. A device's memory is never mapped on an iommufd
 * with a page table, which cannot pin it.
 */
export function adopt(host: HostContainer, run: MappingRun, isDeviceMemory = false): void {
  if (host.backend === 'legacy') adoptMappings(host.type1, run, isDeviceMemory);
  else if (!isDeviceMemory || host.ioas.hwpts.length === 0) host.ioas.areas.add(run);
}

/**
 * Bytes that count against RLIMIT_MEMLOCK: what is pinned for an IOMMU, mapping by mapping. Without one nothing is until
 * a mediated device's driver pins what it uses, which is `atMost` all that is mapped.
 */
export function lockedBytes(host: HostContainer): { readonly now: bigint; readonly atMost: bigint } {
  if (host.backend === 'legacy') {
    const { mappings, deviceMemory, lockedBytes: now } = host.type1;
    return { now, atMost: totalBytes(mappings) - totalBytes(deviceMemory) };
  }
  const { areas, hwpts } = host.ioas;
  const atMost = totalBytes(areas);
  return { now: hwpts.length > 0 ? atMost : 0n, atMost };
}

/** How a mapping may be used, and whether it is of device memory, which an iommufd without dma-buf cannot pin. */
export interface MapAttributes {
  readonly readOnly: boolean;
  readonly deviceMemory: boolean;
}

/** One ioctl for each mapping of `run`, up to the first that is refused. */
export function mapOnHost(
  host: HostContainer,
  run: MappingRun,
  { readOnly, deviceMemory }: MapAttributes,
): { made: bigint; errno: Errno | null } {
  if (host.backend === 'legacy') {
    const flags = readOnly ? mapFlag.read : mapFlag.read | mapFlag.write;
    return mapDma(host.type1, { ...run, flags, ...(deviceMemory && { memory: 'device' }) });
  }
  const { size, ...rest } = run;
  const writeable = readOnly ? 0 : ioasMapFlag.writeable;
  const flags = ioasMapFlag.fixedIova | ioasMapFlag.readable | writeable;
  return ioasMap(host.ioas, { ...rest, length: size, flags, absent: deviceMemory });
}

/** One unmap ioctl. A size of 2^64 bytes is everything, in one call. */
export function unmapOnHost(
  host: HostContainer,
  request: UnmapDma,
): { errno: Errno | null; unmapped: readonly MappingRun[] } {
  if (host.backend === 'legacy') return unmapDma(host.type1, request);
  return ioasUnmap(host.ioas, request.iova, request.size === ADDRESS_SPACE ? ADDRESS_MAX : request.size);
}
