import { type DriverAbilities, driverAbilities } from '../platform/vfio-driver.ts';
import { deviceId } from './check.ts';
import {
  all,
  any,
  choose,
  type Fact,
  is,
  isFalse,
  isKnownToBe,
  lacking,
  map,
  no,
  not,
  read,
  type Truth,
} from './fact.ts';
import type { Host } from './host.ts';
import { member, type Pointer } from './pointer.ts';
import type { HostDescriptor, HostDeviceDescriptor, VfioDescriptor } from './schema.ts';
import type { VirtualMachine } from './vm.ts';

export type EnableMigration = 'on' | 'off' | 'auto';

/** A VFIO device of the VM as the QEMU of one host sees it. */
export interface Device {
  readonly id: string;
  /** What QEMU calls it in messages. */
  readonly name: string;
  readonly pointer: Pointer;
  readonly type: NonNullable<VfioDescriptor['type']>;
  /** Whether it goes through `vfio_migration_realize`: no failover primary, which is unplugged first, and PCI only. */
  readonly isPreparedForMigration: boolean;
  readonly backend: Fact<'legacy' | 'iommufd'>;
  readonly enableMigration: Fact<EnableMigration>;
  /** Migration protocol of the host's VFIO driver. */
  readonly protocol: Fact<'v1' | 'v2' | 'none'>;
  readonly stopCopy: Truth;
  readonly p2p: Truth;
  /** Whether QEMU gets as far as a migration state for this device: it is not off, and the driver speaks its protocol, with stop-copy. */
  readonly initialisesMigration: Truth;
  /** The device logs its own DMA writes, and is not told not to. */
  readonly tracksDirtyPages: Truth;
  /** The IOMMU page table that the device got (its HWPT) tracks dirty pages; never on type1, never for an mdev. */
  readonly hwptTracksDirtyPages: Truth;
  /** The device's DMA address space is the vIOMMU's, whatever the guest does with it. */
  readonly behindViommu: Truth;
  /** Whether its state goes over multifd channels. */
  readonly multifdTransfer: Fact<EnableMigration>;
  readonly ramfbMigrate: Fact<EnableMigration>;
  /** Of the devices that QEMU realized before this one, and this one: whether any … */
  readonly soFar: SoFar;
  /** Bits of address space that the device can log, both inclusive, in at most so many ranges. */
  readonly loggingBits: { readonly min: number; readonly max: number; readonly maxRanges: number };
  readonly descriptor: VfioDescriptor;
  /** What the host says of it, where it says anything. */
  readonly abilities: HostDeviceDescriptor | undefined;
}

/** … of several devices, in the order in which QEMU realizes them. */
interface SoFar {
  /** … before the last one has a migration state. */
  readonly otherInitialisesMigration: Truth;
  readonly initialisesMigration: Truth;
  /** … has a migration state and lacks P2P. */
  readonly lacksP2p: Truth;
  readonly behindViommu: Truth;
}

const NOBODY: SoFar = {
  otherInitialisesMigration: no,
  initialisesMigration: no,
  lacksP2p: no,
  behindViommu: no,
};

/** Reads the VM's devices on `host`, in the order in which QEMU realizes them. */
export function readDevices(host: Host, vm: VirtualMachine): Device[] {
  const { vfio } = vm.descriptor;
  const order = vfio.some(({ position }) => position !== undefined) ? byPosition(vfio) : null;
  const devices: Device[] = [];
  let soFar = NOBODY;
  for (let place = 0; place < vfio.length; place++) {
    const index = order?.[place] ?? place;
    const device = readDevice(vfio[index] as VfioDescriptor, index, host, vm, soFar);
    ({ soFar } = device);
    devices.push(device);
  }
  return devices;
}

/** Indexes by place on the command line; a device that has none comes last. */
function byPosition(descriptors: readonly VfioDescriptor[]): number[] {
  const place = (index: number): number => descriptors[index]?.position ?? Number.MAX_SAFE_INTEGER;
  return [...descriptors.keys()].toSorted((a, b) => place(a) - place(b));
}

function readDevice(descriptor: VfioDescriptor, index: number, host: Host, vm: VirtualMachine, before: SoFar): Device {
  const pointer = `/vm/vfio/${index}`;
  const id = deviceId(descriptor, index);
  const { type = 'vfio-pci' } = descriptor;
  const isPreparedForMigration = descriptor.unpluggedForMigration !== true && (type === 'vfio-pci' || type === 'mdev');
  const given = givenDevice(host.descriptor, id);
  const there = member(`${host.pointer}/devices`, id);
  const driver = given && readDriver(given, host);
  const protocol: Device['protocol'] = ability(there, 'protocol', given?.protocol, driver?.protocol, given?.driver);
  // A device without migration support has none of its flags.
  const isNone = isKnownToBe(protocol, 'none') ? map(protocol, () => false) : null;
  const stopCopy = isNone ?? ability(there, 'stopCopy', given?.stopCopy, undefined, undefined);
  const p2p = isNone ?? ability(there, 'p2p', given?.p2p, undefined, undefined);
  const dmaLogging = ability(there, 'dmaLogging', given?.dmaLogging, driver?.dmaLogging, given?.driver);
  const { qemu } = host;
  const enableMigration = readEnableMigration(descriptor, pointer, host);
  const initialisesMigration = all(
    not(is(enableMigration, 'off')),
    choose(qemu.protocol, (spoken) => (spoken === 'v1' ? is(protocol, 'v1') : all(is(protocol, 'v2'), stopCopy))),
  );
  const behindViommu = isFalse(vm.hasViommu) ? vm.hasViommu : all(vm.hasViommu, not(bypasses(descriptor, pointer, vm)));
  const backend = read(
    pointer,
    'backend',
    descriptor.backend ?? 'legacy',
    descriptor.backend === undefined ? 'default' : 'given',
    descriptor.backend === undefined ? 'vfio-pci' : undefined,
  );
  return {
    id,
    name: descriptor.host ?? id,
    pointer,
    type,
    isPreparedForMigration,
    backend,
    enableMigration,
    protocol,
    stopCopy,
    p2p,
    initialisesMigration,
    tracksDirtyPages: readDeviceTracking(descriptor, pointer, dmaLogging, host),
    hwptTracksDirtyPages: readHwptTracking(backend, type, pointer, host),
    loggingBits: loggingBitsOf(given),
    behindViommu,
    multifdTransfer: onOffAuto(descriptor, 'multifdTransfer', pointer),
    ramfbMigrate: onOffAuto(descriptor, 'ramfbMigrate', pointer),
    soFar: isPreparedForMigration
      ? {
          otherInitialisesMigration: before.initialisesMigration,
          initialisesMigration: any(before.initialisesMigration, initialisesMigration),
          lacksP2p: any(before.lacksP2p, all(initialisesMigration, not(p2p))),
          behindViommu: any(before.behindViommu, behindViommu),
        }
      : before,
    descriptor,
    abilities: given,
  };
}

const onOffAuto = (
  descriptor: VfioDescriptor,
  field: 'multifdTransfer' | 'ramfbMigrate' | 'ats',
  pointer: Pointer,
): Fact<EnableMigration> => {
  const value = descriptor[field];
  return value === undefined
    ? read(pointer, field, 'auto', 'default', 'vfio-pci')
    : read(pointer, field, value, 'given');
};

/** Whether the guest is to see the device's ATS capability. */
export const guestAts = ({ descriptor, pointer }: Device): Fact<EnableMigration> =>
  onOffAuto(descriptor, 'ats', pointer);

/** Whether `host` has ATS for the device, and lets it be used. */
export const hostAts = ({ id, abilities }: Device, host: Host): Truth =>
  ability(member(`${host.pointer}/devices`, id), 'ats', abilities?.ats, undefined, undefined);

/** Whether a conventional PCI bridge is on the way to the device. */
export const behindPciBridge = ({ descriptor: { address }, pointer }: Device): Truth =>
  address?.behindPciBridge === undefined
    ? read(`${pointer}/address`, 'behindPciBridge', false, 'default', 'PCI Express')
    : read(`${pointer}/address`, 'behindPciBridge', address.behindPciBridge, 'given');

/** Firmware decides; what is not given is taken not to limit. */
function loggingBitsOf(given: HostDeviceDescriptor | undefined): Device['loggingBits'] {
  if (given?.dmaLoggingAddressSpace === undefined) return ANY_BITS;
  const {
    minBits = ANY_BITS.min,
    maxBits = ANY_BITS.max,
    maxRanges = ANY_BITS.maxRanges,
  } = given.dmaLoggingAddressSpace;
  return { min: minBits, max: maxBits, maxRanges };
}

const ANY_BITS = { min: 0, max: 64, maxRanges: Infinity };

/** Own members only: an id may be the name of something that every object inherits. */
const givenDevice = ({ devices }: HostDescriptor, id: string): HostDeviceDescriptor | undefined =>
  devices && Object.hasOwn(devices, id) ? devices[id] : undefined;

/** What the driver is known for, where something was not given. */
const readDriver = (
  { driver, protocol, dmaLogging }: HostDeviceDescriptor,
  { kernelVersion }: Host,
): DriverAbilities | undefined =>
  driver === undefined || (protocol !== undefined && dmaLogging !== undefined)
    ? undefined
    : driverAbilities(driver, kernelVersion.known ? kernelVersion.value : undefined);

/** An ability as it was given, or as the driver is known for it. */
const ability = <T>(
  pointer: Pointer,
  field: string,
  given: T | undefined,
  derived: T | undefined,
  driver: string | undefined,
): Fact<T> => {
  if (given !== undefined) return read(pointer, field, given, 'given');
  return derived === undefined
    ? lacking(`${pointer}/${field}`)
    : read(pointer, field, derived, 'derived', `driver ${driver}`);
};

function readEnableMigration(
  { enableMigration }: VfioDescriptor,
  pointer: Pointer,
  { qemu }: Host,
): Fact<EnableMigration> {
  if (enableMigration !== undefined) return read(pointer, 'enableMigration', enableMigration, 'given');
  if (isKnownToBe(qemu.enableMigration, 'on-off-auto')) return autoAt(pointer);
  return choose(qemu.enableMigration, (property) =>
    property === 'boolean-off'
      ? read(pointer, 'enableMigration', 'off', 'default', 'x-enable-migration')
      : autoAt(pointer),
  );
}

const autoAt = (pointer: Pointer): Fact<EnableMigration> =>
  read(pointer, 'enableMigration', 'auto', 'default', 'vfio-pci enable-migration');

function readDeviceTracking(
  { deviceDirtyTracking }: VfioDescriptor,
  pointer: Pointer,
  dmaLogging: Truth,
  host: Host,
): Truth {
  const { loggingRanges } = host.qemu;
  if (isKnownToBe(loggingRanges, 'none')) return map(loggingRanges, () => false);
  const logs = deviceDirtyTracking === 'off' ? all(dmaLogging, not(obeysOff(pointer, host))) : dmaLogging;
  return loggingRanges.known ? logs : all(loggingRanges, logs);
}

/** Whether this QEMU knows the property by which the device is told not to track. */
const obeysOff = (pointer: Pointer, { qemu }: Host): Truth =>
  all(read(pointer, 'deviceDirtyTracking', true, 'given'), is(qemu.deviceTrackingProperty, 'present'));

function readHwptTracking(
  backend: Device['backend'],
  type: Device['type'],
  pointer: Pointer,
  { qemu, hwptDirtyTracking: { kernel, iommu } }: Host,
): Truth {
  if (type === 'mdev') return read(pointer, 'type', false, 'derived', 'an mdev has no IOMMU page table');
  const usesIommufd = is(backend, 'iommufd');
  return isFalse(usesIommufd) ? usesIommufd : all(usesIommufd, is(qemu.hwptTracking, 'per-hwpt'), kernel, iommu);
}

function bypasses({ address }: VfioDescriptor, pointer: Pointer, vm: VirtualMachine): Truth {
  return address?.bypassIommu === undefined
    ? vm.defaultBusBypassesIommu
    : read(`${pointer}/address`, 'bypassIommu', address.bypassIommu, 'given');
}
