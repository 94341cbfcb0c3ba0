import {
  addressParts,
  attributeAt,
  choice,
  type DomainRemarks,
  each,
  integer,
  only,
  quoted,
  YES_NO,
} from './libvirt-element.ts';
import type { XmlElement } from './xml.ts';

/** What an option of QEMU's says, by key; keys without a value are left out. */
export type Values = Readonly<Record<string, string | number | boolean | undefined>>;

/** An option that libvirt starts QEMU with for the sake of an element. */
export interface DomainOption {
  readonly at: XmlElement;
  /** "device" is `-device`. */
  readonly name: string;
  readonly says: Values | string;
}

/** Reads an element into the options that libvirt makes of it. */
export type Reader = (element: XmlElement, domain: Domain) => readonly DomainOption[];

/** What QEMU takes for an id (id_wellformed), of as many characters as a descriptor may hold. */
const QEMU_ID = /^[a-z][\w.-]{0,255}$/i;

/** The parts of a PCI address in the guest, and their largest values. */
const PCI_PARTS = [
  ['bus', 0xff],
  ['slot', 0x1f],
  ['function', 7],
] as const;

/** Whether memory is shared with other processes. */
export const ACCESS: ReadonlyMap<string, boolean> = new Map([
  ['shared', true],
  ['private', false],
]);

const MAX_INDEX = 0x7fffffff;

/** A domain, the ids that its devices get in QEMU, and the buses that they sit on. */
export class Domain {
  readonly element: XmlElement;
  readonly remarks: DomainRemarks;
  /** `<devices>`. */
  readonly devices: XmlElement | undefined;
  /** The type of machine, such as "pc-q35-9.1". */
  readonly machine: string | undefined;
  readonly isX86: boolean;
  /** What `<memoryBacking>` says of all memory: whether it is a memfd, whether it is shared, and whether it says so. */
  readonly backing: { readonly isMemfd: boolean; readonly share: boolean | undefined; readonly isGiven: boolean };
  /** Whether PCI devices of the host that say nothing of it are of the backend iommufd. */
  readonly isIommufd: boolean;
  /** The display adapter that stands in for VGA: the first, unless another says that it is. */
  readonly primaryVideo: XmlElement | undefined;
  /** Whether every device has an address in the guest; libvirt gives one to those without as it defines the domain. */
  isPlaced = true;
  readonly #byName = new Map<string, XmlElement[]>();
  readonly #ids = new Map<XmlElement, string>();
  /** The next number after each prefix of an id. */
  readonly #numbers = new Map<string, number>();
  /** The next index of each type of controller. */
  readonly #indexes = new Map<string, number>();
  /** Ids of controllers, after which their buses are called, by type and index. */
  readonly #controllers = new Map<string, string>();

  constructor(element: XmlElement, remarks: DomainRemarks) {
    this.element = element;
    this.remarks = remarks;
    this.devices = only(element, 'devices', remarks);
    const type = only(only(element, 'os', remarks), 'type', remarks);
    this.machine = type?.attributes.get('machine');
    this.isX86 = /^(?:x86_64|i686)$/.test(type?.attributes.get('arch') ?? 'x86_64');
    const backing = only(element, 'memoryBacking', remarks);
    this.backing = {
      isMemfd: only(backing, 'source', remarks)?.attributes.get('type') === 'memfd',
      share: choice(only(backing, 'access', remarks), 'mode', ACCESS, remarks),
      isGiven: backing?.children.some(({ name }) => /^(?:access|hugepages|source)$/.test(name)) ?? false,
    };
    this.isIommufd = choice(only(element, 'iommufd', remarks), 'enabled', YES_NO, remarks) ?? false;
    for (const device of this.devices?.children ?? []) {
      const alike = this.#byName.get(device.name);
      if (alike) alike.push(device);
      else this.#byName.set(device.name, [device]);
    }
    const videos = this.all('video');
    this.primaryVideo = videos.find((video) => attributeAt(video, 'primary', 'model') === 'yes') ?? videos[0];
    for (const device of this.devices?.children ?? []) this.#readAlias(device);
    for (const controller of this.all('controller')) this.#nameController(controller);
  }

  /** The devices called `name`. */
  all(name: string): readonly XmlElement[] {
    return this.#byName.get(name) ?? [];
  }

  #readAlias(device: XmlElement): void {
    const [alias] = each(device, 'alias');
    const id = alias?.attributes.get('name');
    if (alias === undefined || id === undefined) return;
    if (!QEMU_ID.test(id)) {
      this.remarks.fault(alias, `${quoted(id)} is no id of QEMU's`);
      return;
    }
    this.#ids.set(device, id);
    const { prefix, number } = /^(?<prefix>.*?)(?<number>\d{1,9})$/.exec(id)?.groups ?? {};
    if (prefix !== undefined) {
      this.#numbers.set(prefix, Math.max(this.#numbers.get(prefix) ?? 0, Number(number) + 1));
    }
  }

  /** A root bus has the name that QEMU gives it, whatever its alias. One without an index is the next of its type. */
  #nameController(controller: XmlElement): void {
    const type = controller.attributes.get('type') ?? '';
    const isRoot = /^pcie?-root$/.test(controller.attributes.get('model') ?? '');
    const next = isRoot ? 0 : (this.#indexes.get(type) ?? 0);
    const index = integer(controller, 'index', [0, MAX_INDEX], this.remarks) ?? next;
    this.#indexes.set(type, Math.max(next, index + 1));
    const usual = controller.attributes.get('model') === 'pcie-root' ? `pcie.${index}` : this.#usualId(type, index);
    const id = isRoot ? usual : (this.#ids.get(controller) ?? usual);
    this.#ids.set(controller, id);
    if (!this.#controllers.has(`${type} ${index}`)) this.#controllers.set(`${type} ${index}`, id);
  }

  /** Ids as in qemuAssignDeviceControllerAlias (libvirt, src/qemu/qemu_alias.c). */
  #usualId(type: string, index: number): string {
    if (type === 'usb' && index === 0) return 'usb';
    if (type !== 'pci') return `${type}${index}`;
    return index === 0 && /q35|^virt(?:-|$)/.test(this.machine ?? '') ? 'pcie.0' : `pci.${index}`;
  }

  /** The id of the controller of `type` with this index. */
  controller(type: string, index: number): string {
    return this.#controllers.get(`${type} ${index}`) ?? this.#usualId(type, index);
  }

  /** The alias of a device, or what libvirt would give it: `usual`, or the next number that is free after `prefix`. */
  idOf(device: XmlElement, prefix: string, usual?: string): string {
    const id = this.#ids.get(device) ?? usual;
    if (id !== undefined) return id;
    const number = this.#numbers.get(prefix) ?? 0;
    this.#numbers.set(prefix, number + 1);
    this.#ids.set(device, `${prefix}${number}`);
    return `${prefix}${number}`;
  }

  /** Whereto libvirt plugs a PCI device; on other machines it may be of another kind, which has no place there. */
  place(device: XmlElement): Values {
    const address = this.#addressOf(device, 'pci');
    if (address === undefined) return {};
    const [bus = 0, slot = 0, fn = 0] = addressParts(address, PCI_PARTS, this.remarks);
    const place = fn === 0 ? slot.toString(16) : `${slot.toString(16)}.${fn}`;
    return { bus: this.controller('pci', bus), addr: `0x${place}` };
  }

  /** Whereto it plugs a USB device. */
  port(device: XmlElement): Values {
    const address = this.#addressOf(device, 'usb');
    if (address === undefined) return {};
    const bus = integer(address, 'bus', [0, MAX_INDEX], this.remarks) ?? 0;
    return { bus: `${this.controller('usb', bus)}.0`, port: address.attributes.get('port') };
  }

  #addressOf(device: XmlElement, type: string): XmlElement | undefined {
    const address = only(device, 'address', this.remarks);
    if (address === undefined) this.isPlaced = false;
    return address?.attributes.get('type') === type ? address : undefined;
  }

  /** QEMU's name of a virtio device: after the bus of its address, and what `model` says of its age. */
  virtio(base: string, device: XmlElement, model?: string): string {
    const type = only(device, 'address', this.remarks)?.attributes.get('type');
    if (type === 'ccw') return `${base}-ccw`;
    if (type === 'virtio-mmio') return `${base}-device`;
    return `${base}-pci${/^virtio(?<age>-(?:non-)?transitional)$/.exec(model ?? '')?.groups?.['age'] ?? ''}`;
  }
}

/** The device of type `driver`, by its id. */
export const device = (at: XmlElement, driver: string, id: string | undefined, rest: Values = {}): DomainOption => ({
  at,
  name: 'device',
  says: { driver, id, ...rest },
});
