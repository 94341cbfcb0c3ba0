import {
  coverableBytes,
  type Domain,
  figuresOf,
  type Machine,
  type MappingRun,
  type Strategy,
  switchDomain,
  type Tracker,
  type UnmapFigures,
} from '../simulator/index.ts';
import { all, any, constant, type Fact, is, map, not, record, choose, type Truth } from './fact.ts';
import type { Device } from './device.ts';
import type { Host } from './host.ts';
import { parseSize } from './quantities.ts';
import { isKnownToBe, type Viommu, type VirtualMachine } from './vm.ts';
import { bounds } from './bounds.ts';

/** A VFIO container: the devices that share one set of DMA mappings. */
export interface Container {
  readonly id: string;
  /** `memory` for devices that see guest physical addresses, or the id of the one device behind a vIOMMU. */
  readonly addressSpace: string;
  readonly backend: Fact<'legacy' | 'iommufd'>;
  /** In the order in which QEMU realizes them. */
  readonly devices: readonly Device[];
  /** Who sees what the devices write. */
  readonly tracker: Fact<Tracker>;
  /** Bytes that the bitmap of one unmap may cover, inclusive; `null` where there is no limit. */
  readonly limit: Fact<bigint | null>;
  /** Whether QEMU holds this container able to track dirty pages once its devices up to `device` are there. */
  readonly tracksDirtyPages: (device: Device) => Truth;
  /** Bytes that boot RAM is held against, inclusive. */
  readonly ramLimit: Fact<bigint>;
  /** What each switch of domain that the guest can make would cost while dirty tracking is on. */
  readonly transitions: readonly Transition[];
}

/** What it costs when the guest moves the container's device `from` one domain `to` another. */
export interface Transition {
  readonly from: Domain;
  readonly to: Domain;
  readonly cost: Fact<TransitionCost>;
}

export interface TransitionCost {
  readonly strategy: Strategy;
  /** Exact, or the upper bounds where `atLeast` holds the lower ones. */
  readonly figures: UnmapFigures;
  readonly atLeast?: UnmapFigures;
  /** What each bound was reached with. */
  readonly assumptions: readonly string[];
}

/**
 * The containers that QEMU puts the devices into: one a device behind a vIOMMU; in system memory one for all legacy
 * devices and one an iommufd object. Failover primaries are unplugged before migration starts and share none.
 */
export function formContainers(devices: readonly Device[], host: Host, vm: VirtualMachine): Container[] {
  const groups = new Map<string, Device[]>();
  for (const device of devices) {
    if (device.descriptor.unpluggedForMigration === true) continue;
    const key = `${addressSpaceOf(device)} ${device.descriptor.backend ?? 'legacy'} ${device.descriptor.iommufdObject ?? ''}`;
    groups.set(key, [...(groups.get(key) ?? []), device]);
  }
  return [...groups.values()].map((members, index) => formContainer(`container${index}`, members, host, vm));
}

const addressSpaceOf = (device: Device): string =>
  device.behindViommu.known && device.behindViommu.value ? device.id : 'memory';

function formContainer(id: string, devices: readonly Device[], host: Host, vm: VirtualMachine): Container {
  const [first] = devices as [Device];
  const isLegacy = is(first.backend, 'legacy');
  const upTo = (device: Device): readonly Device[] => devices.slice(0, devices.indexOf(device) + 1);
  const tracksDirtyPages = (device: Device): Truth =>
    any(all(isLegacy, not(host.type1EmulatedByIommufd)), any(...upTo(device).map((each) => each.hwptTracksDirtyPages)));
  const coverable = choose(host.maxDirtyBitmapSize, (bitmap) =>
    map(host.trackingPageSize, (page) => coverableBytes(bitmap, page)),
  );
  const tracker = findTracker(devices, tracksDirtyPages(devices.at(-1) as Device));
  const container = {
    id,
    addressSpace: addressSpaceOf(first),
    backend: first.backend,
    devices,
    tracker,
    limit: choose(first.backend, (backend) => (backend === 'legacy' ? coverable : constant(null))),
    tracksDirtyPages,
    // QEMU never fills in the limit of an iommufd container: what it compares with is 0.
    ramLimit: choose(first.backend, (backend) => (backend === 'legacy' ? coverable : constant(0n))),
  };
  const viommu = container.addressSpace === 'memory' ? null : vm.viommu;
  return {
    ...container,
    transitions: viommu && isKnownToBe(viommu.model, 'intel') ? transitionsOf(first, container, viommu, host) : [],
  };
}

/** All devices of a container must log for QEMU to ask them; else it asks the container, if that can track at all. */
function findTracker(devices: readonly Device[], containerTracks: Truth): Fact<Tracker> {
  return choose(all(...devices.map((device) => device.tracksDirtyPages)), (devicesTrack): Fact<Tracker> => {
    if (devicesTrack) return constant<Tracker>('device');
    return choose(containerTracks, (tracks) => {
      const [first] = devices as [Device];
      return tracks
        ? map(first.backend, (backend): Tracker => (backend === 'legacy' ? 'type1' : 'iommu'))
        : constant<Tracker>('none');
    });
  });
}

/** Every switch away from the domain the guest is in; from each of them where that is not known. */
function transitionsOf(device: Device, container: Model, viommu: Viommu, host: Host): Transition[] {
  const { guestDomain } = device.descriptor;
  return SWITCHES.filter(({ from }) => guestDomain === undefined || from === guestDomain).map(({ from, to }) => ({
    from,
    to,
    cost: map(machineOf(device, container, viommu, host), (machine) => costOf(machine, device, host, from, to)),
  }));
}

type Model = Pick<Container, 'tracker' | 'backend' | 'devices'>;

const SWITCHES: readonly { readonly from: Domain; readonly to: Domain }[] = [
  { from: 'dma', to: 'blocking' },
  { from: 'dma', to: 'identity' },
];

/** The simulator's machine while dirty tracking is on. */
function machineOf(device: Device, { tracker, backend, devices }: Model, viommu: Viommu, host: Host): Fact<Machine> {
  const { domainUnmap, bitmapGate, iommufdUnmap, regionDelBitmap } = host.qemu;
  const facts = record({
    behaviours: record({ domainUnmap, bitmapGate, iommufdUnmap, regionDelBitmap }),
    addressWidth: viommu.addressWidth,
    scalableMode: viommu.scalableMode,
    firstStage: viommu.firstStage,
    tracker,
    backend,
    pageSize: host.pageSize,
    maxDirtyBitmapSize: host.maxDirtyBitmapSize,
  });
  return map(facts, (known) => ({
    behaviours: known.behaviours,
    viommu: {
      model: 'intel',
      addressWidth: known.addressWidth,
      scalableMode: known.scalableMode,
      firstStage: known.firstStage,
    },
    container: {
      backend: known.backend,
      tracker: known.tracker,
      devices: devices.length,
      trackingHwpts: known.tracker === 'iommu' ? 1 : 0,
      pageSize: known.pageSize,
      maxDirtyBitmapSize: known.maxDirtyBitmapSize,
      allocatable: host.memory,
    },
    tracking: 'migration',
    mappings: readMappings(device) ?? [],
    sections: [],
  }));
}

const readMappings = ({ descriptor }: Device): MappingRun[] | undefined =>
  descriptor.mappings?.map(({ iova, pageSize, count, gpa }) => ({
    iova: BigInt(iova),
    size: parseSize(pageSize) as bigint,
    count: BigInt(count),
    ...(gpa !== undefined && { gpa: BigInt(gpa) }),
  }));

function costOf(machine: Machine, device: Device, host: Host, from: Domain, to: Domain): TransitionCost {
  const trace = switchDomain(machine, from, to);
  const figures = figuresOf(trace);
  const { strategy } = trace;
  if (device.descriptor.mappings !== undefined) return { strategy, figures, assumptions: [] };
  return { strategy, ...bounds(machine, from, to, figures, host.dmaEntryLimit) };
}
