import { coverableBytes, type Tracker, type TrackingStartStep } from '../simulator/index.ts';
import { all, any, choose, constant, type Fact, is, map, not, type Truth } from './fact.ts';
import type { Device } from './device.ts';
import type { Host } from './host.ts';
import type { Sections } from './sections.ts';
import { readTrackingStart } from './tracking-start.ts';
import { type Transition, transitionsOf } from './transitions.ts';
import { isKnownToBe, type Viommu, type VirtualMachine } from './vm.ts';

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
  /**
   * What comes of it when a migration starts dirty tracking; `null` where that rests on what the guest maps behind a
   * vIOMMU, page by page, or on how several memory backends split its RAM.
   */
  readonly trackingStart: (() => Fact<TrackingStartStep>) | null;
  /** What each switch of domain that the guest can make would cost while dirty tracking is on. */
  readonly transitions: readonly Transition[];
}

/**
 * The containers that QEMU puts the devices into: one a device behind a vIOMMU; in system memory one for all legacy
 * devices and one an iommufd object. Failover primaries are unplugged before migration starts and share none.
 */
export function formContainers(
  devices: readonly Device[],
  host: Host,
  vm: VirtualMachine,
  sections: () => Fact<Sections>,
): Container[] {
  const groups = new Map<string, Device[]>();
  for (const device of devices) {
    if (device.descriptor.unpluggedForMigration === true) continue;
    const key = `${addressSpaceOf(device)} ${device.descriptor.backend ?? 'legacy'} ${device.descriptor.iommufdObject ?? ''}`;
    groups.set(key, [...(groups.get(key) ?? []), device]);
  }
  return [...groups.values()].map((members, index) => formContainer(`container${index}`, members, host, vm, sections));
}

const addressSpaceOf = (device: Device): string =>
  device.behindViommu.known && device.behindViommu.value ? device.id : 'memory';

function formContainer(
  id: string,
  devices: readonly Device[],
  host: Host,
  vm: VirtualMachine,
  sections: () => Fact<Sections>,
): Container {
  const [first] = devices as [Device];
  const isLegacy = is(first.backend, 'legacy');
  const upTo = (device: Device): readonly Device[] => devices.slice(0, devices.indexOf(device) + 1);
  const tracksDirtyPages = (device: Device): Truth =>
    any(
      all(isLegacy, not(host.type1EmulatedByIommufd), host.type1TracksDirtyPages),
      any(...upTo(device).map((each) => each.hwptTracksDirtyPages)),
    );
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
  // Whether there is a vIOMMU decides whether anything of this can happen.
  const { behindViommu } = first;
  const seesMemory = container.addressSpace === 'memory' || first.descriptor.guestDomain === 'identity';
  const trackingStart =
    seesMemory && !vm.hasSeveralBackends ? () => readTrackingStart(container, viommu, host, sections) : null;
  if (!behindViommu.known) {
    return { ...container, trackingStart, transitions: [{ from: 'dma', to: 'blocking', cost: behindViommu }] };
  }
  return {
    ...container,
    trackingStart,
    transitions: viommu && isBoundable(viommu) ? transitionsOf(first, container, viommu, host, sections) : [],
  };
}

/** virtio-iommu cuts each mapping by itself, so that unknown mappings bound nothing; smmuv3 unmaps nothing or is refused. */
const isBoundable = ({ model }: Viommu): boolean => isKnownToBe(model, 'intel') || isKnownToBe(model, 'amd');

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
