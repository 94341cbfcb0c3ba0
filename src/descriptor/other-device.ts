import { type Fact, type Known, lacking, read, type Truth } from './fact.ts';
import { member, type Pointer } from './pointer.ts';
import type { VmDescriptor } from './schema.ts';

type OtherDeviceDescriptor = NonNullable<VmDescriptor['otherDevices']>[number];

/** A device of the VM that is no VFIO device. */
export interface OtherDevice {
  readonly id: string;
  /** QEMU's name of the model. */
  readonly type: string;
  /** QEMU's path of the device in messages; only its end where the bus address is not known. */
  readonly path: string;
  readonly pointer: Pointer;
  /** What the device is: its presence, as a fact. */
  readonly isThere: Known<boolean>;
  /** A property of the device as it was given, or its default. */
  readonly property: <T extends string | number | boolean>(
    name: string,
    otherwise: T,
  ) => Known<string | number | boolean>;
  /** Whether the backend of the device can do `feature`: never taken for granted. */
  readonly backend: (feature: string) => Truth;
  readonly position: number | undefined;
}

/** A disk image that QEMU has open. */
export interface Disk {
  readonly node: string;
  readonly format: Fact<string>;
}

/** The devices beside the VFIO devices, as listed. */
export const readOtherDevices = ({ otherDevices }: VmDescriptor): readonly OtherDevice[] =>
  otherDevices?.map((descriptor, index) => readOtherDevice(descriptor, `/vm/otherDevices/${index}`, index)) ?? NONE;

export const readDisks = ({ disks }: VmDescriptor): readonly Disk[] =>
  disks?.map(({ node, format }, index) => ({
    node,
    format: read(`/vm/disks/${index}`, 'format', format, 'given'),
  })) ?? NONE;

const NONE: readonly never[] = [];

function readOtherDevice(descriptor: OtherDeviceDescriptor, pointer: Pointer, index: number): OtherDevice {
  const { type, id, path, properties, backend, position } = descriptor;
  return {
    id: id ?? `${type}#${index}`,
    type,
    path: path ?? type,
    pointer,
    isThere: { known: true, value: true, from: read(pointer, 'type', type, 'given') },
    property: (name, otherwise) => {
      const value = properties && Object.hasOwn(properties, name) ? properties[name] : undefined;
      return value === undefined
        ? read(`${pointer}/properties`, name, otherwise, 'default', type)
        : read(`${pointer}/properties`, name, value, 'given');
    },
    backend: (feature) => {
      const value = backend && Object.hasOwn(backend, feature) ? backend[feature] : undefined;
      const place = `${pointer}/backend`;
      return value === undefined ? lacking(member(place, feature)) : read(place, feature, value, 'given');
    },
    position,
  };
}
