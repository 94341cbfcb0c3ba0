import { coverableBytes, type Tracker } from '../simulator/index.ts';
import type { Bounds } from './bounds.ts';
import type { Device } from './device.ts';
import { readSync, type SyncFigures } from './dirty-sync.ts';
import { all, any, choose, constant, type Fact, is, isKnownToBe, isTrue, map, no, not, type Truth } from './fact.ts';
import type { Host } from './host.ts';
import { lazy } from './lazy.ts';
import { readMachine } from './machine.ts';
import { type MigrationRuns, readHeldAtStart, readRuns, type Setting } from './migration-run.ts';
import { type Needs, readNeeds } from './needs.ts';
import type { VfioDescriptor } from './schema.ts';
import { guestMemoryOf, type Sections, withBars } from './sections.ts';
import { readTrackingStart, type TrackingStart } from './tracking-start.ts';
import { type Transition, transitionsOf } from './transitions.ts';
import type { Viommu, VirtualMachine } from './vm.ts';

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
  /** Whether nothing sees what the device writes; known more often than who does. */
  readonly leavesUntracked: (device: Device) => Truth;
  /** Bytes that the bitmap of one unmap may cover, inclusive; `null` where there is no limit. */
  readonly limit: Fact<bigint | null>;
  /** Whether QEMU holds this container able to track dirty pages once its devices up to `device` are there. */
  readonly tracksDirtyPages: (device: Device) => Truth;
  /** Bytes that boot RAM is held against, inclusive. */
  readonly ramLimit: Fact<bigint>;
  /** What it maps while its devices see system memory. */
  readonly sections: Fact<Sections>;
  /** What each switch of domain that the guest can make would cost while dirty tracking is on. */
  readonly transitions: readonly Transition[];
  /** Whether it may hold nothing at all, for all that is known of the guest. */
  readonly mayBeEmpty: boolean;
  /** A migration that starts, with each guest that there may be. */
  readonly runs: Fact<MigrationRuns>;
  /** What comes of it when a migration starts dirty tracking; here and below `null` where QEMU takes no such device. */
  readonly trackingStart: Fact<TrackingStart | null>;
  /** What one pass over the dirty bitmaps costs. */
  readonly sync: Fact<Bounds<SyncFigures> | null>;
  /** What it needs of the host, from the start of the VM on. */
  readonly needs: Fact<Bounds<Needs> | null>;
}

/**
 * The containers that QEMU puts the devices into: one a device behind a vIOMMU; in system memory one for all legacy
 * devices and one an iommufd object.
 */
export function formContainers(
  devices: readonly Device[],
  host: Host,
  vm: VirtualMachine,
  sections: () => Fact<Sections>,
): Container[] {
  const groups: [Device, ...Device[]][] = [];
  const inMemory: [Device, ...Device[]][] = [];
  for (const device of devices) {
    const { descriptor, behindViommu, type } = device;
    // What QEMU does not track the dirty pages of has no say in how it tracks those of others.
    const isAlone = isTrue(behindViommu) || (type !== 'vfio-pci' && type !== 'mdev');
    const shared = isAlone ? undefined : inMemory.find(([first]) => isShared(first.descriptor, descriptor));
    if (shared) {
      shared.push(device);
      continue;
    }
    const group: [Device, ...Device[]] = [device];
    groups.push(group);
    if (!isAlone) inMemory.push(group);
  }
  return groups.map((members, index) => new FormedContainer(`container${index}`, members, host, vm, sections));
}

/** Whether two devices in system memory share a container. */
const isShared = (a: VfioDescriptor, b: VfioDescriptor): boolean =>
  (a.backend ?? 'legacy') === (b.backend ?? 'legacy') && a.iommufdObject === b.iommufdObject;

/** A {@link Container} that reads what it is asked for. */
class FormedContainer implements Container {
  readonly id: string;
  readonly addressSpace: string;
  readonly backend: Fact<'legacy' | 'iommufd'>;
  readonly devices: readonly Device[];
  readonly #first: Device;
  readonly #host: Host;
  readonly #vm: VirtualMachine;
  readonly #viommu: Viommu | null;
  readonly #memory: () => Fact<Sections>;
  readonly #still = lazy(() => readMachine(this, this.#viommu, this.#host));
  #sections: Fact<Sections> | undefined;
  #runs: Fact<MigrationRuns> | undefined;
  #tracker: Fact<Tracker> | undefined;
  #transitions: readonly Transition[] | undefined;

  constructor(
    id: string,
    devices: readonly [Device, ...Device[]],
    host: Host,
    vm: VirtualMachine,
    sections: () => Fact<Sections>,
  ) {
    const [first] = devices;
    const seesMemory = !isTrue(first.behindViommu);
    this.id = id;
    this.addressSpace = seesMemory ? 'memory' : first.id;
    this.backend = first.backend;
    this.devices = devices;
    this.#first = first;
    this.#host = host;
    this.#vm = vm;
    this.#viommu = seesMemory ? null : vm.viommu;
    this.#memory = sections;
  }

  get tracker(): Fact<Tracker> {
    this.#tracker ??= findTracker(this.devices, this.tracksDirtyPages(this.devices.at(-1) as Device));
    return this.#tracker;
  }

  leavesUntracked(device: Device): Truth {
    const devicesTrack = all(...this.devices.map((each) => each.tracksDirtyPages));
    if (isTrue(devicesTrack)) return no;
    // Of an iommufd container each page table is asked by itself, and one that does not track is passed over.
    const isTracked = this.#isLegacy ? this.tracksDirtyPages(device) : device.hwptTracksDirtyPages;
    return all(not(devicesTrack), not(isTracked));
  }

  get limit(): Fact<bigint | null> {
    return this.#isLegacy ? this.#coverable : NO_LIMIT;
  }

  /** QEMU never fills in the limit of an iommufd container: what it compares with is 0. */
  get ramLimit(): Fact<bigint> {
    return this.#isLegacy ? this.#coverable : NOTHING;
  }

  get transitions(): readonly Transition[] {
    this.#transitions ??= this.#readTransitions();
    return this.#transitions;
  }

  get mayBeEmpty(): boolean {
    const { guestDomain, mappings } = this.#first.descriptor;
    return this.#viommu !== null && guestDomain !== 'identity' && (guestDomain !== 'dma' || mappings === undefined);
  }

  get runs(): Fact<MigrationRuns> {
    this.#runs ??= this.#ifPlaced(readRuns);
    return this.#runs;
  }

  get trackingStart(): Fact<TrackingStart | null> {
    return readTrackingStart(this.runs);
  }

  get sync(): Fact<Bounds<SyncFigures> | null> {
    return readSync(this.runs);
  }

  get needs(): Fact<Bounds<Needs> | null> {
    return readNeeds(this.runs, () => this.#ifPlaced(readHeldAtStart));
  }

  tracksDirtyPages(device: Device): Truth {
    const { type1EmulatedByIommufd, type1TracksDirtyPages } = this.#host;
    return this.#isLegacy
      ? all(is(this.backend, 'legacy'), not(type1EmulatedByIommufd), type1TracksDirtyPages)
      : any(...this.devices.slice(0, this.devices.indexOf(device) + 1).map((each) => each.hwptTracksDirtyPages));
  }

  get #isLegacy(): boolean {
    return isKnownToBe(this.backend, 'legacy');
  }

  get #coverable(): Fact<bigint> {
    const { maxDirtyBitmapSize, trackingPageSize } = this.#host;
    return choose(maxDirtyBitmapSize, (bitmap) => map(trackingPageSize, (page) => coverableBytes(bitmap, page)));
  }

  #readTransitions(): readonly Transition[] {
    const { behindViommu } = this.#first;
    // Whether there is a vIOMMU decides whether anything of this can happen.
    if (!behindViommu.known) return [{ from: 'dma', to: 'blocking', cost: behindViommu }];
    return this.#viommu && isAccepted(this.#viommu)
      ? transitionsOf(this.#first, this.#still(), this.#host, () => this.sections, guestMemoryOf(this.#vm.descriptor))
      : NONE;
  }

  /** What is read of the container, if it is known whether its devices are behind the vIOMMU. */
  #ifPlaced<T>(readOf: (setting: Setting) => Fact<T>): Fact<T> {
    const unplaced = this.devices.find(({ behindViommu }) => !behindViommu.known)?.behindViommu;
    if (unplaced && !unplaced.known) return unplaced;
    const { viommu } = this.#vm.descriptor;
    return readOf({
      container: this,
      still: this.#still(),
      host: this.#host,
      sections: () => this.sections,
      guestMemory: guestMemoryOf(this.#vm.descriptor),
      startsInMemory: this.#viommu !== null && (viommu?.model !== 'virtio' || viommu.bootBypass !== false),
    });
  }

  get sections(): Fact<Sections> {
    this.#sections ??= choose(this.#host.pageSize, (page) =>
      map(this.#memory(), (memory) =>
        withBars(
          memory,
          this.#vm.descriptor.vfio,
          (device) => this.devices.some(({ descriptor }) => descriptor === device),
          page,
        ),
      ),
    );
    return this.#sections;
  }
}

const NO_LIMIT: Fact<bigint | null> = constant(null);
const NOTHING: Fact<bigint> = constant(0n);
const NONE: readonly Transition[] = [];

/** QEMU takes no VFIO device behind an emulated smmuv3 without `accel`. */
const isAccepted = ({ model, accel }: Viommu): boolean => !isKnownToBe(model, 'smmuv3') || isTrue(accel);

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
