import { DMA_ENTRY_LIMIT, type KernelAbility, kernelHas } from '../platform/kernel.ts';
import { isAtLeast, parseVersion, type Version } from '../platform/version.ts';
import { NEWEST_QEMU, qemuBehaviours } from '../platform/qemu.ts';
import { type BehaviourName, type Behaviours, behaviourValues, TYPE1_BITMAP_MAX } from '../simulator/index.ts';
import { constant, type Fact, lacking, map, read, type Truth } from './fact.ts';
import type { Pointer } from './pointer.ts';
import { parseSize } from './quantities.ts';
import type { HostDescriptor } from './schema.ts';

/** Which of the two hosts is judged. */
export type Side = 'source' | 'destination';

/** What the QEMU of a host does, behaviour by behaviour. */
type Qemu = { readonly [Name in BehaviourName]: Fact<Behaviours[Name]> };

/** The machine that runs QEMU. Sizes in bytes. */
export interface Host {
  readonly pointer: Pointer;
  readonly qemu: Qemu;
  readonly qemuVersion: Fact<Version>;
  readonly kernelVersion: Fact<Version>;
  readonly pageSize: Fact<bigint>;
  /** Whether the host IOMMU can track dirty pages in an HWPT, the kernel's part included. */
  readonly hwptDirtyTracking: { readonly kernel: Truth; readonly iommu: Truth };
  readonly iommuAddressWidth: Fact<number>;
  /** Bytes of the largest dirty bitmap that type1 takes, inclusive. */
  readonly maxDirtyBitmapSize: Fact<bigint>;
  /** Bytes that one bit of a type1 bitmap stands for. */
  readonly trackingPageSize: Fact<bigint>;
  /** Whether /dev/vfio/vfio is iommufd's emulation, which tracks nothing. */
  readonly type1EmulatedByIommufd: Truth;
  /** Whether the kernel's type1 can track dirty pages; any that is not given is taken to be recent enough. */
  readonly type1TracksDirtyPages: Truth;
  /** Mappings that a type1 container may hold. */
  readonly dmaEntryLimit: number;
  /** Bytes that QEMU may lock, inclusive; `null` where unlimited or not given. */
  readonly memlockLimit: bigint | null;
  /** Bytes of the host's memory, where given. */
  readonly memory: bigint | null;
}

/** Reads the host on `side`; `isX86` says what its page size is by default. */
export function readHost(side: Side, host: HostDescriptor, isX86: boolean): Host {
  const at = (field: string): Pointer => `/${side}/${field}`;
  const given = <T>(field: string, value: T | undefined): Fact<T> =>
    value === undefined ? lacking(at(field)) : read(at(field), value, 'given');
  const size = (field: string, value: number | string | undefined, otherwise: () => Fact<bigint>): Fact<bigint> =>
    value === undefined ? otherwise() : read(at(field), parseSize(value) as bigint, 'given');

  const kernel = map(given('kernel', host.kernel), (text) => parseVersion(text) as Version);
  const qemuVersion = map(given('qemu', host.qemu), (text) => parseVersion(text) as Version);
  const pageSize = size('pageSize', host.pageSize, () =>
    isX86 ? read(at('pageSize'), 4096n, 'default', 'x86') : lacking(at('pageSize')),
  );
  return {
    pointer: `/${side}`,
    qemu: readQemu(side, host, qemuVersion),
    qemuVersion,
    kernelVersion: kernel,
    pageSize,
    hwptDirtyTracking: {
      kernel: ability(kernel, 'hwptDirtyTracking'),
      iommu: given('iommu/dirtyTracking', host.iommu?.dirtyTracking),
    },
    iommuAddressWidth: given('iommu/addressWidth', host.iommu?.addressWidth),
    maxDirtyBitmapSize: size('type1/maxDirtyBitmapSize', host.type1?.maxDirtyBitmapSize, () =>
      read(at('type1/maxDirtyBitmapSize'), TYPE1_BITMAP_MAX, 'default', 'Linux type1'),
    ),
    trackingPageSize: size('type1/trackingPageSize', host.type1?.trackingPageSize, () => pageSize),
    type1EmulatedByIommufd:
      host.type1?.emulatedByIommufd === undefined
        ? read(at('type1/emulatedByIommufd'), false, 'default', 'a host with type1')
        : read(at('type1/emulatedByIommufd'), host.type1.emulatedByIommufd, 'given'),
    type1TracksDirtyPages: kernel.known ? ability(kernel, 'dirtyPages') : constant(true),
    dmaEntryLimit: host.type1?.dmaEntryLimit ?? DMA_ENTRY_LIMIT,
    memlockLimit:
      host.memlockLimit === undefined || host.memlockLimit === 'unlimited' ? null : parseSize(host.memlockLimit),
    memory: host.memory === undefined ? null : parseSize(host.memory),
  };
}

const ability = (kernel: Fact<Version>, name: KernelAbility): Truth =>
  map(kernel, (version) => kernelHas(version, name));

const behaviourNames = Object.keys(behaviourValues) as BehaviourName[];

function readQemu(side: Side, host: HostDescriptor, version: Fact<Version>): Qemu {
  const overrides = host.behaviours as Readonly<Record<string, string | undefined>> | undefined;
  const known = version.known ? qemuBehaviours(version.value) : undefined;
  const origin = version.known && isNewerThanKnown(version.value) ? 'extrapolated' : 'derived';
  const basis = `/${side}/qemu ${host.qemu}`;
  const behaviour = (name: BehaviourName): Fact<string> => {
    const pointer = `/${side}/behaviours/${name}`;
    const override = overrides?.[name];
    if (override !== undefined) return read(pointer, override, 'given');
    if (!version.known) return version;
    // Of a QEMU older than any that was studied no more is known than of one that was not named.
    return known ? read(pointer, known[name], origin, basis) : lacking(`/${side}/qemu`);
  };
  return Object.fromEntries(behaviourNames.map((name) => [name, behaviour(name)])) as unknown as Qemu;
}

/** Whether `version` came out after the newest QEMU that the tables were checked against. */
export const isNewerThanKnown = (version: Version): boolean =>
  isAtLeast(version, NEWEST_QEMU) &&
  !isAtLeast(parseVersion(NEWEST_QEMU) as Version, `${version.major}.${version.minor}`);
