import { deviceId } from '../../descriptor/check.ts';
import type { Side } from '../../descriptor/host.ts';
import { type Pointer, valueAt } from '../../descriptor/pointer.ts';
import type { Descriptor, HostDescriptor, VfioDescriptor, ViommuDescriptor } from '../../descriptor/schema.ts';

/**
 * What it takes to make a change, from least to most: nothing of the VM is touched; the VM goes elsewhere; the device is
 * unplugged and plugged in again; the VM is stopped and started; the host is upgraded; the guest loses something.
 */
export const efforts = [
  'migration-parameters',
  'other-destination',
  'device-replug',
  'vm-restart',
  'host-upgrade',
  'guest-visible-change',
] as const;
type Effort = (typeof efforts)[number];

/** What the findings that list a change are about. */
export interface Concern {
  readonly descriptor: Descriptor;
  /** VFIO devices, by place in the descriptor. */
  readonly devices: readonly number[];
  readonly sides: readonly Side[];
  /** Where the devices and the disks stand. */
  readonly items: readonly Pointer[];
  /** Ids of the rules. */
  readonly rules: readonly string[];
}

/** One place of a descriptor that a change sets; `undefined` leaves it out. `words` fill the braces of the change's `how`. */
export interface Edit {
  readonly pointer: Pointer;
  readonly to: unknown;
  readonly words: Readonly<Record<string, string>>;
}

/** A change that an operator can choose. */
export interface ChangeKind {
  readonly effort: Effort;
  /** The libvirt XML, QEMU option or command that makes it. */
  readonly how: string;
  /** What it costs the guest, or its operator. */
  readonly cost?: string;
  /** What it sets; nothing where it is so already or does not apply. Left out where no descriptor says it. */
  readonly edits?: (concern: Concern) => readonly Edit[];
}

export const edit = (pointer: Pointer, to: unknown, words: Edit['words'] = {}): Edit => ({ pointer, to, words });

/** New values by place in what is changed; `null` where nothing is. */
export type Values = Readonly<Record<string, unknown>> | null;

/** A change of each device concerned. */
export const ofDevices =
  (make: (device: VfioDescriptor, descriptor: Descriptor) => Values) =>
  ({ descriptor, devices }: Concern): Edit[] =>
    devices.flatMap((index) => {
      const device = descriptor.vm.vfio[index] as VfioDescriptor;
      const words = { device: deviceId(device, index) };
      return Object.entries(make(device, descriptor) ?? {}).map(([field, to]) =>
        edit(`/vm/vfio/${index}/${field}`, to, { ...words, to: String(to) }),
      );
    });

/** A change of the vIOMMU, if there is one of these models, where `field` is not `to` already. */
export const ofViommu =
  <Field extends keyof ViommuDescriptor>(
    models: readonly ViommuDescriptor['model'][],
    field: Field,
    to: NonNullable<ViommuDescriptor[Field]>,
    otherwise?: ViommuDescriptor[Field],
  ) =>
  ({ descriptor: { vm } }: Concern): Edit[] =>
    vm.viommu && models.includes(vm.viommu.model) && (vm.viommu[field] ?? otherwise) !== to
      ? [edit(`/vm/viommu/${field}`, to, { model: vm.viommu.model, iommu: deviceOf[vm.viommu.model] })]
      : [];

/** What QEMU calls each model. */
const deviceOf: Readonly<Record<ViommuDescriptor['model'], string>> = {
  intel: 'intel-iommu',
  virtio: 'virtio-iommu-pci',
  amd: 'amd-iommu',
  smmuv3: 'arm-smmuv3',
};

/** A change of each host concerned. */
export const ofHosts =
  (make: (host: HostDescriptor, descriptor: Descriptor) => Values) =>
  ({ descriptor, sides }: Concern): Edit[] =>
    sides.flatMap((side) =>
      Object.entries(make(hostOn(descriptor, side), descriptor) ?? {}).map(([field, to]) =>
        edit(`/${side}/${field}`, to, { host: side, to: String(to) }),
      ),
    );

export const hostOn = (descriptor: Descriptor, side: Side): HostDescriptor =>
  side === 'destination' ? (descriptor.destination ?? descriptor.source) : descriptor.source;

export const hostsOf = ({ source, destination }: Descriptor): HostDescriptor[] => [
  source,
  ...(destination ? [destination] : []),
];

/** A change of one place, where what stands there is one of `from`. */
export const at =
  (pointer: Pointer, from: readonly unknown[], to: unknown) =>
  ({ descriptor }: Concern): Edit[] =>
    from.includes(valueAt(descriptor, pointer)) ? [edit(pointer, to, { to: String(to) })] : [];

/** A change of each item of a list that the findings are about. */
export const ofItems =
  (list: Pointer, make: (item: Pointer, concern: Concern) => readonly Edit[]) =>
  (concern: Concern): Edit[] =>
    concern.items.flatMap((item) => (item.startsWith(`${list}/`) ? make(item, concern) : []));

/** A property of each other device that the findings are about. */
export const ofOtherDevices = (property: string, to: string | number | boolean): NonNullable<ChangeKind['edits']> =>
  ofItems('/vm/otherDevices', (item, { descriptor }) => {
    const place = `${item}/properties/${property}`;
    return valueAt(descriptor, place) === to ? [] : [edit(place, to, { device: nameAt(descriptor, item) })];
  });

/** What an operator knows another device by. */
export const nameAt = (descriptor: Descriptor, item: Pointer): string =>
  String(valueAt(descriptor, `${item}/id`) ?? valueAt(descriptor, `${item}/type`));

/** `descriptor` without the holes that removed devices left. */
export function withoutHoles(descriptor: Descriptor): Descriptor {
  const { otherDevices } = descriptor.vm;
  if (!otherDevices?.some((device) => device === undefined)) return descriptor;
  return {
    ...descriptor,
    vm: { ...descriptor.vm, otherDevices: otherDevices.filter((device) => device !== undefined) },
  };
}
