import { DMA_ENTRY_LIMIT, type KernelAbility, kernelAbilities, kernelHas } from '../platform/kernel.ts';
import { NEWEST_QEMU, qemuBehaviours } from '../platform/qemu.ts';
import { isAtLeast, parseVersion, type Version } from '../platform/version.ts';
import { type BehaviourName, type Behaviours, behaviourValues, TYPE1_BITMAP_MAX } from '../simulator/index.ts';
import { constant, type Fact, lacking, map, read, type Truth } from './fact.ts';
import type { Pointer } from './pointer.ts';
import { parseSize, type Size } from './quantities.ts';
import type { HostDescriptor } from './schema.ts';

/** Which of the two hosts is judged. */
export type Side = 'source' | 'destination';

/** What the QEMU of a host does, behaviour by behaviour. */
export type Qemu = { readonly [Name in BehaviourName]: Fact<Behaviours[Name]> };

/** The machine that runs QEMU. Sizes in bytes. */
export interface Host {
  readonly pointer: Pointer;
  readonly descriptor: HostDescriptor;
  readonly qemu: Qemu;
  readonly qemuVersion: Fact<Version>;
  readonly kernelVersion: Fact<Version>;
  readonly pageSize: Fact<bigint>;
  /** Whether the host IOMMU can track dirty pages in an HWPT, the kernel's part included. */
  readonly hwptDirtyTracking: { readonly kernel: Truth; readonly iommu: Truth };
  readonly iommuAddressWidth: Fact<number>;
  readonly iommuVendor: Fact<string>;
  /** Whether first-stage translation of the host IOMMU has pages of 1 GiB. */
  readonly iommuFirstStage1g: Truth;
  /** Bits of PASID that the host IOMMU takes; 0 for none. */
  readonly iommuPasidBits: Fact<number>;
  /** Whether the host IOMMU has Intel's erratum 772415. */
  readonly iommuErratum772415: Truth;
  /** Whether the kernel offers iommufd; one that is not given is taken to. */
  readonly hasIommufd: Truth;
  /** Bytes of the largest dirty bitmap that type1 takes, inclusive. */
  readonly maxDirtyBitmapSize: Fact<bigint>;
  /** Bytes that one bit of a type1 bitmap stands for. */
  readonly trackingPageSize: Fact<bigint>;
  /** Whether /dev/vfio/vfio is iommufd's emulation, which tracks nothing. */
  readonly type1EmulatedByIommufd: Truth;
  /** Whether the kernel's type1 can track dirty pages; any that is not given is taken to be recent enough. */
  readonly type1TracksDirtyPages: Truth;
  /** Whether the addresses of a type1 container can be exchanged, of one with an mdev in it too, or not at all. */
  readonly updateVaddr: Fact<'absent' | 'iommu-only' | 'any'>;
  /** Whether iommufd can move its accounting of locked memory to another process. */
  readonly changesProcess: Truth;
  /** Mappings that a type1 container may hold. */
  readonly dmaEntryLimit: number;
  /** Bytes that QEMU may lock, inclusive; `null` where unlimited or not given. */
  readonly memlockLimit: bigint | null;
  /** Bytes of the host's memory, where given. */
  readonly memory: bigint | null;
}

/** Reads the host on `side`; `isX86` says what its page size is by default. */
export function readHost(side: Side, host: HostDescriptor, isX86: boolean): Host {
  const { parent, defaults } = sides[side];
  const type1 = `${parent}/type1`;
  const iommu = `${parent}/iommu`;
  const software = softwareOf(side, host);
  const { kernel } = software;
  const given = <T>(place: Pointer, field: string, value: T | undefined): Fact<T> =>
    value === undefined ? lacking(`${place}/${field}`) : read(place, field, value, 'given');
  const ofIommu = <T>(field: string, value: T | undefined, otherwise: Fact<T>): Fact<T> =>
    value === undefined ? otherwise : read(iommu, field, value, 'given');
  const size = (place: Pointer, field: string, value: Size | undefined, otherwise: Fact<bigint>): Fact<bigint> =>
    value === undefined ? otherwise : read(place, field, parseSize(value) as bigint, 'given');

  const pageSize = size(parent, 'pageSize', host.pageSize, isX86 ? defaults.pageSize : defaults.noPageSize);
  return {
    pointer: parent,
    descriptor: host,
    qemu: software.qemu,
    qemuVersion: software.qemuVersion,
    kernelVersion: kernel.version,
    pageSize,
    hwptDirtyTracking: {
      kernel: host.iommu?.vendor === 'arm' ? kernel.smmuDirtyTracking : kernel.hwptDirtyTracking,
      iommu: given(iommu, 'dirtyTracking', host.iommu?.dirtyTracking),
    },
    iommuAddressWidth: given(iommu, 'addressWidth', host.iommu?.addressWidth),
    iommuVendor: ofIommu('vendor', host.iommu?.vendor, defaults.noVendor),
    iommuFirstStage1g: ofIommu('firstStage1g', host.iommu?.firstStage1g, defaults.noFirstStage1g),
    iommuPasidBits: ofIommu('pasidBits', host.iommu?.pasidBits, defaults.noPasidBits),
    iommuErratum772415: ofIommu('errata772415', host.iommu?.errata772415, defaults.noErratum772415),
    hasIommufd: host.iommufd === undefined ? kernel.iommufd : read(parent, 'iommufd', host.iommufd, 'given'),
    maxDirtyBitmapSize: size(type1, 'maxDirtyBitmapSize', host.type1?.maxDirtyBitmapSize, defaults.maxDirtyBitmapSize),
    trackingPageSize: size(type1, 'trackingPageSize', host.type1?.trackingPageSize, pageSize),
    type1EmulatedByIommufd:
      host.type1?.emulatedByIommufd === undefined
        ? defaults.emulatedByIommufd
        : read(type1, 'emulatedByIommufd', host.type1.emulatedByIommufd, 'given'),
    type1TracksDirtyPages: kernel.type1TracksDirtyPages,
    updateVaddr:
      host.type1?.updateVaddr === undefined
        ? kernel.updateVaddr
        : map(read(type1, 'updateVaddr', host.type1.updateVaddr, 'given'), (can) => (can ? 'any' : 'absent')),
    changesProcess: kernel.changesProcess,
    dmaEntryLimit: host.type1?.dmaEntryLimit ?? DMA_ENTRY_LIMIT,
    memlockLimit:
      host.memlockLimit === undefined || host.memlockLimit === 'unlimited' ? null : parseSize(host.memlockLimit),
    memory: host.memory === undefined ? null : parseSize(host.memory),
  };
}

const sideOf = (side: Side) => {
  const parent = `/${side}`;
  return {
    parent,
    defaults: {
      pageSize: read(parent, 'pageSize', 4096n, 'default', 'x86'),
      noPageSize: lacking(`${parent}/pageSize`),
      noVendor: lacking(`${parent}/iommu/vendor`),
      noFirstStage1g: lacking(`${parent}/iommu/firstStage1g`),
      noPasidBits: lacking(`${parent}/iommu/pasidBits`),
      noErratum772415: lacking(`${parent}/iommu/errata772415`),
      maxDirtyBitmapSize: read(`${parent}/type1`, 'maxDirtyBitmapSize', TYPE1_BITMAP_MAX, 'default', 'Linux type1'),
      emulatedByIommufd: read(`${parent}/type1`, 'emulatedByIommufd', false, 'default', 'a host with type1'),
    },
  };
};

const sides = { source: sideOf('source'), destination: sideOf('destination') };

/** What follows alone from the versions of a host, and from what it is said to do otherwise. */
interface Software {
  readonly qemu: Qemu;
  readonly qemuVersion: Fact<Version>;
  readonly kernel: {
    readonly version: Fact<Version>;
    readonly hwptDirtyTracking: Truth;
    readonly smmuDirtyTracking: Truth;
    readonly type1TracksDirtyPages: Truth;
    readonly iommufd: Truth;
    readonly updateVaddr: Host['updateVaddr'];
    readonly changesProcess: Truth;
  };
}

/** Hosts of a fleet run the same few versions. */
const knownSoftware = new Map<string, Software>();
const KNOWN_MAX = 256;

function softwareOf(side: Side, host: HostDescriptor): Software {
  const key = `${side} ${JSON.stringify([host.qemu, host.kernel, host.behaviours])}`;
  const known = knownSoftware.get(key);
  if (known) return known;
  const parent: Pointer = `/${side}`;
  const version = (field: 'qemu' | 'kernel'): Fact<Version> => {
    const text = host[field];
    if (text === undefined) return lacking(`${parent}/${field}`);
    return map(read(parent, field, text, 'given'), (value) => parseVersion(value) as Version);
  };
  const qemuVersion = version('qemu');
  const kernel = version('kernel');
  const ability = (name: KernelAbility): Truth => map(kernel, (each) => kernelHas(each, name));
  const software = {
    qemu: overridden(parent, qemuOf(parent, host.qemu, qemuVersion), host.behaviours),
    qemuVersion,
    kernel: {
      version: kernel,
      hwptDirtyTracking: ability('hwptDirtyTracking'),
      smmuDirtyTracking: ability('smmuDirtyTracking'),
      type1TracksDirtyPages: kernel.known ? ability('dirtyPages') : constant(true),
      iommufd: kernel.known ? ability('iommufd') : constant(true),
      updateVaddr: map(kernel, (each) => kernelAbilities(each).updateVaddr),
      changesProcess: ability('changeProcess'),
    },
  };
  if (knownSoftware.size >= KNOWN_MAX) knownSoftware.clear();
  knownSoftware.set(key, software);
  return software;
}

const behaviourNames = Object.keys(behaviourValues) as BehaviourName[];

function qemuOf(parent: Pointer, text: string | number | undefined, version: Fact<Version>): Qemu {
  const known = version.known ? qemuBehaviours(version.value) : undefined;
  const origin = version.known && isNewerThanKnown(version.value) ? 'extrapolated' : 'derived';
  const behaviour = (name: BehaviourName): Fact<string> => {
    if (!version.known) return version;
    // Of a QEMU older than any that was studied no more is known than of one that was not named.
    return known
      ? read(`${parent}/behaviours`, name, known[name], origin, `${parent}/qemu ${text}`)
      : lacking(`${parent}/qemu`);
  };
  return Object.fromEntries(behaviourNames.map((name) => [name, behaviour(name)])) as unknown as Qemu;
}

function overridden(parent: Pointer, qemu: Qemu, behaviours: HostDescriptor['behaviours'] = {}): Qemu {
  const given = Object.entries(behaviours as Readonly<Record<string, string>>).map(([name, value]) => [
    name,
    read(`${parent}/behaviours`, name, value, 'given'),
  ]);
  return { ...qemu, ...Object.fromEntries(given) };
}

/** Whether `version` came out after the newest QEMU that the tables were checked against. */
export const isNewerThanKnown = (version: Version): boolean =>
  isAtLeast(version, NEWEST_QEMU) &&
  !isAtLeast(parseVersion(NEWEST_QEMU) as Version, `${version.major}.${version.minor}`);
