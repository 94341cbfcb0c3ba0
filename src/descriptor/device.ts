import { driverAbilities } from '../platform/vfio-driver.ts';
import { all, type Fact, is, lacking, map, no, not, read, choose, type Truth } from './fact.ts';
import { deviceId } from './check.ts';
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
  readonly backend: Fact<'legacy' | 'iommufd'>;
  readonly enableMigration: Fact<EnableMigration>;
  /** Migration protocol of the host's VFIO driver. */
  readonly protocol: Fact<'v1' | 'v2' | 'none'>;
  readonly stopCopy: Truth;
  readonly p2p: Truth;
  /** Whether QEMU gets as far as a migration state for this device: the driver speaks its protocol, with stop-copy. */
  readonly initialisesMigration: Truth;
  /** The device logs its own DMA writes, and is not told not to. */
  readonly tracksDirtyPages: Truth;
  /** The IOMMU page table that the device got (its HWPT) tracks dirty pages; never on type1, never for an mdev. */
  readonly hwptTracksDirtyPages: Truth;
  /** The device's DMA address space is the vIOMMU's, whatever the guest does with it. */
  readonly behindViommu: Truth;
  /** Bits of address space that the device can log, both inclusive. */
  readonly loggingBits: { readonly min: number; readonly max: number };
  readonly descriptor: VfioDescriptor;
}

/** Reads device `index` of the VM on `host`. */
export function readDevice(
  descriptor: VfioDescriptor,
  index: number,
  hostDescriptor: HostDescriptor,
  host: Host,
  vm: VirtualMachine,
): Device {
  const pointer = member('/vm/vfio', index);
  const id = deviceId(descriptor, index);
  const type = descriptor.type ?? 'vfio-pci';
  const abilities = readAbilities(givenDevice(hostDescriptor, id), member(`${host.pointer}/devices`, id));
  const backend =
    descriptor.backend === undefined
      ? read(`${pointer}/backend`, 'legacy' as const, 'default', 'vfio-pci')
      : read(`${pointer}/backend`, descriptor.backend, 'given');
  const { qemu } = host;
  return {
    id,
    name: descriptor.host ?? id,
    pointer,
    type,
    backend,
    enableMigration: readEnableMigration(descriptor, pointer, host),
    protocol: abilities.protocol,
    stopCopy: abilities.stopCopy,
    p2p: abilities.p2p,
    initialisesMigration: all(
      choose(qemu.protocol, (spoken) => is(abilities.protocol, spoken)),
      choose(qemu.protocol, (spoken) => (spoken === 'v1' ? is(abilities.protocol, 'v1') : abilities.stopCopy)),
    ),
    tracksDirtyPages: all(abilities.dmaLogging, not(isToldNotToTrack(descriptor, pointer, host))),
    hwptTracksDirtyPages:
      type === 'mdev'
        ? read(`${pointer}/type`, false, 'derived', 'an mdev has no IOMMU page table')
        : all(
            is(backend, 'iommufd'),
            is(qemu.hwptTracking, 'per-hwpt'),
            host.hwptDirtyTracking.kernel,
            host.hwptDirtyTracking.iommu,
          ),
    loggingBits: loggingBitsOf(givenDevice(hostDescriptor, id)),
    behindViommu: all(vm.hasViommu, not(bypassesViommu(descriptor, pointer, vm))),
    descriptor,
  };
}

/** Firmware decides; what is not given is taken not to limit. */
const loggingBitsOf = (given: HostDeviceDescriptor | undefined): Device['loggingBits'] => ({
  min: given?.dmaLoggingAddressSpace?.minBits ?? 0,
  max: given?.dmaLoggingAddressSpace?.maxBits ?? 64,
});

/** Own members only: an id may be the name of something that every object inherits. */
const givenDevice = ({ devices = {} }: HostDescriptor, id: string): HostDeviceDescriptor | undefined =>
  Object.hasOwn(devices, id) ? devices[id] : undefined;

interface Abilities extends Pick<Device, 'protocol' | 'stopCopy' | 'p2p'> {
  readonly dmaLogging: Truth;
}

/** What was given about a device, completed by what its driver is known for. */
function readAbilities(given: HostDeviceDescriptor | undefined, pointer: Pointer): Abilities {
  const driver = given?.driver === undefined ? undefined : driverAbilities(given.driver);
  const ability = <T>(field: string, value: T | undefined, derived: T | undefined): Fact<T> => {
    const place = member(pointer, field);
    if (value !== undefined) return read(place, value, 'given');
    return derived === undefined ? lacking(place) : read(place, derived, 'derived', `driver ${given?.driver}`);
  };
  const protocol = ability<'v1' | 'v2' | 'none'>('protocol', given?.protocol, driver?.protocol);
  // A device without migration support has none of its flags.
  const flag = (field: 'stopCopy' | 'p2p'): Truth =>
    protocol.known && protocol.value === 'none'
      ? map(protocol, () => false)
      : ability(field, given?.[field], undefined);
  return {
    protocol,
    stopCopy: flag('stopCopy'),
    p2p: flag('p2p'),
    dmaLogging: ability('dmaLogging', given?.dmaLogging, driver?.dmaLogging),
  };
}

function readEnableMigration(
  { enableMigration }: VfioDescriptor,
  pointer: Pointer,
  { qemu }: Host,
): Fact<EnableMigration> {
  const place = `${pointer}/enableMigration`;
  if (enableMigration !== undefined) return read(place, enableMigration, 'given');
  return choose(qemu.enableMigration, (property) =>
    property === 'boolean-off'
      ? read(place, 'off', 'default', 'x-enable-migration')
      : read(place, 'auto', 'default', 'vfio-pci enable-migration'),
  );
}

function isToldNotToTrack({ deviceDirtyTracking }: VfioDescriptor, pointer: Pointer, { qemu }: Host): Truth {
  if (deviceDirtyTracking !== 'off') return no;
  const off = read(`${pointer}/deviceDirtyTracking`, true, 'given');
  return all(off, is(qemu.deviceTrackingProperty, 'present'));
}

function bypassesViommu({ address }: VfioDescriptor, pointer: Pointer, vm: VirtualMachine): Truth {
  return address?.bypassIommu === undefined
    ? vm.defaultBusBypassesIommu
    : read(`${pointer}/address/bypassIommu`, address.bypassIommu, 'given');
}
