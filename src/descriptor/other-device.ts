import { is, type Known, lacking, map, read, type Truth } from './fact.ts';
import type { Qemu } from './host.ts';
import { member, type Pointer } from './pointer.ts';
import { oncePer } from './remembered.ts';
import { OTHER_DEVICES_MAX, type VmDescriptor } from './schema.ts';

type OtherDeviceDescriptor = NonNullable<VmDescriptor['otherDevices']>[number];
type Property = string | number | boolean;

/** A device of the VM that is no VFIO device. */
export interface OtherDevice {
  readonly id: string;
  /** Where it stands in the descriptor. */
  readonly pointer: Pointer;
  /** QEMU's name of the model. */
  readonly type: string;
  /** QEMU's path of the device in messages, where it is known. */
  readonly path: string | undefined;
  /** Whether it is there from the start: a virtual function may come later. */
  readonly isThere: Truth;
  /** Who serves its queues: a process, a vDPA device, or else QEMU and the host's kernel. */
  readonly servedBy: Known<'vhost-user' | 'vhost-vdpa' | 'host'>;
  /** A property of the device as it was given, or its default. */
  readonly property: (name: string, otherwise: Property) => Known<Property>;
  /** Whether a property of the device is on. */
  readonly isOn: (name: string, otherwise: boolean) => Truth;
  /** Whether the backend of the device can do `feature`; unknown where neither that nor `otherwise` is given. */
  readonly backend: (feature: string, otherwise?: boolean) => Truth;
  readonly position: number | undefined;
}

/** A disk image that QEMU has open. */
export interface Disk {
  /** The name of its node. */
  readonly id: string;
  /** Where it stands in the descriptor. */
  readonly pointer: Pointer;
  readonly format: Known<string>;
}

/**
 * The devices beside the VFIO devices, in the order in which the QEMU that does `qemu` realizes them: as listed, but for the
 * virtual functions of an NVMe controller, which QEMU makes while it realizes the physical one.
 */
export const readOtherDevices = ({ otherDevices }: VmDescriptor, qemu: Qemu): readonly OtherDevice[] =>
  otherDevices === undefined ? NONE : realizedBy(qemu)(otherDevices);

/** One VM is judged many times while facts of other things are missing. */
const realizedBy = oncePer((qemu: Qemu) =>
  oncePer((otherDevices: readonly OtherDeviceDescriptor[]) => {
    const realized: OtherDevice[] = [];
    for (const [index, descriptor] of otherDevices.entries()) {
      const device = readOtherDevice(descriptor, `/vm/otherDevices/${index}`, index);
      if (device.type === 'nvme')
        realized.push(...virtualFunctionsOf(device, OTHER_DEVICES_MAX - realized.length, qemu));
      realized.push(device);
    }
    return realized;
  }),
);

export const readDisks = ({ disks }: VmDescriptor): readonly Disk[] =>
  disks?.map(({ node, format }, index) => {
    const pointer = `/vm/disks/${index}`;
    return { id: node, pointer, format: read(pointer, 'format', format, 'given') };
  }) ?? NONE;

const NONE: readonly never[] = [];

function readOtherDevice(descriptor: OtherDeviceDescriptor, pointer: Pointer, index: number): OtherDevice {
  const { type, id, path, properties, backend, position } = descriptor;
  const ofType = read(pointer, 'type', type, 'given');
  const given = <T>(values: Readonly<Record<string, T>> | undefined, key: string): T | undefined =>
    values && Object.hasOwn(values, key) ? values[key] : undefined;
  const property: OtherDevice['property'] = (name, otherwise) => {
    const place = `${pointer}/properties`;
    const value = given(properties, name);
    return value === undefined ? read(place, name, otherwise, 'default', type) : read(place, name, value, 'given');
  };
  return {
    id: id ?? `${type}#${index}`,
    pointer,
    type,
    path,
    isThere: { known: true, value: true, from: ofType },
    servedBy: given(properties, NETDEV) === undefined ? ofModel(ofType) : known(property(NETDEV, ''), kindOf),
    property,
    isOn: (name, otherwise) => map(property(name, otherwise), isOn),
    backend: (feature, otherwise) => {
      const place = `${pointer}/backend`;
      const value = given(backend, feature);
      if (value !== undefined) return read(place, feature, value, 'given');
      return otherwise === undefined
        ? lacking(member(place, feature))
        : read(place, feature, otherwise, 'default', `backends of ${type}`);
    },
    position,
  };
}

/** Where the kind of a network card's backend stands among its properties. */
const NETDEV = 'netdev.type';

const known = <A, B>(fact: Known<A>, f: (value: A) => B): Known<B> => ({
  known: true,
  value: f(fact.value),
  from: fact,
});

const kindOf = (netdev: Property): OtherDevice['servedBy']['value'] =>
  netdev === 'vhost-user' || netdev === 'vhost-vdpa' ? netdev : 'host';

const ofModel = (type: Known<string>): OtherDevice['servedBy'] =>
  known(type, (model) => kindOf(/^vhost-(?:user|vdpa)(?=-)/.exec(model)?.[0] ?? ''));

/** A switch as QEMU takes it. */
const isOn = (value: Property): boolean => value === true || value === 'on' || value === 'yes' || value === 'true';

/** Virtual functions that QEMU's NVMe controller may have. */
const FUNCTIONS_MAX = 127;

/** At most `room` of them. */
function virtualFunctionsOf(controller: OtherDevice, room: number, qemu: Qemu): OtherDevice[] {
  const { value } = controller.property('sriov_max_vfs', 0);
  const count = Math.min(Number(value) || 0, FUNCTIONS_MAX, room);
  return Array.from({ length: Math.max(count, 0) }, (_, index) => ({
    ...controller,
    path: controller.path && pathOfFunction(controller.path, index + 1),
    isThere: is(qemu.sriovFunctions, 'at-realize'),
  }));
}

/** The path of the function that is `offset` after the one at `path`, such as "0000:00:01.0:00.0/nvme". */
const pathOfFunction = (path: string, offset: number): string =>
  path.replace(/(?<slot>[\da-f]{2})\.(?<fn>[0-7])(?=\/[^/]*$)/i, (_, slot: string, fn: string) => {
    const at = Number.parseInt(slot, 16) * 8 + Number(fn) + offset;
    return `${(at >> 3).toString(16).padStart(2, '0')}.${at & 7}`;
  });
