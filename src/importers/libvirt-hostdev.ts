import { DEVICES_MAX, type HostDeviceDescriptor, type VfioDescriptor } from '../descriptor/schema.ts';
import { given } from './imported.ts';
import { choice, each, nameOf, only, quoted, type Remarks, YES_NO } from './libvirt-element.ts';
import type { XmlElement } from './xml.ts';

/** The object that libvirt gives a domain's devices, one for all of them. */
const IOMMUFD_OBJECT = 'iommufd0';

/** A `<hostdev>`, or an `<interface>` that is one. */
interface HostDevice {
  readonly element: XmlElement;
  /** What holds its source and driver: the element, or `<actual>` of an interface to a network of host devices. */
  readonly settings: XmlElement;
}

interface HostDevices {
  readonly vfio: VfioDescriptor[];
  /** What is known of the devices themselves, by id. */
  readonly known: Record<string, HostDeviceDescriptor>;
}

/**
 * The VFIO devices of a domain, in the order of QEMU's command line: `<interface>` before `<hostdev>`, as libvirt parses
 * them. `<interface type="network">` tells only in a `<domstatus>` whether it is a host device.
 */
export function hostDevices(domain: XmlElement, devices: XmlElement | undefined, remarks: Remarks): HostDevices {
  const all = [
    ...each(devices, 'interface')
      .map((element) => ({ element, settings: only(element, 'actual', remarks) ?? element }))
      .filter(({ settings }) => settings.attributes.get('type') === 'hostdev'),
    ...each(devices, 'hostdev').map((element) => ({ element, settings: element })),
  ];
  const beyond = all[DEVICES_MAX];
  if (beyond) remarks.fault(beyond.element, `more than ${DEVICES_MAX} host devices`);
  const ids = assignedIds(all.slice(0, DEVICES_MAX), remarks);
  const byDefault = choice(only(domain, 'iommufd', remarks), 'enabled', YES_NO, remarks) ?? false;

  const vfio: VfioDescriptor[] = [];
  const known: [string, HostDeviceDescriptor][] = [];
  for (const [device, id] of ids) {
    const source = sourceOf(device, remarks);
    if (source === undefined) continue;
    const driver = only(device.settings, 'driver', remarks);
    // The domain's setting is for PCI devices alone (virHostdevIsPCIDeviceWithIOMMUFD).
    const iommufd =
      choice(driver, 'iommufd', YES_NO, remarks) ?? (source.type === undefined && byDefault ? true : undefined);
    const teaming = only(device.element, 'teaming', remarks)?.attributes.get('type');
    vfio.push(
      given({
        id,
        ...source,
        backend: iommufd === undefined ? undefined : iommufd ? 'iommufd' : 'legacy',
        iommufdObject: iommufd === true ? IOMMUFD_OBJECT : undefined,
        unpluggedForMigration: teaming === 'transient' ? true : undefined,
      }),
    );
    const model = driver && nameOf(driver, driver.attributes.get('model'), remarks);
    if (model !== undefined) known.push([id, { driver: model }]);
  }
  return { vfio, known: Object.fromEntries(known) };
}

/** What QEMU takes for an id (id_wellformed), of as many characters as a descriptor may hold. */
const QEMU_ID = /^[a-z][\w.-]{0,255}$/i;

/**
 * Aliases; a device without one gets the next "hostdevN" that is free above all, as in qemuAssignDeviceHostdevAlias
 * (libvirt, src/qemu/qemu_alias.c). Devices that are not VFIO's take a number too.
 */
function assignedIds(devices: readonly HostDevice[], remarks: Remarks): Map<HostDevice, string> {
  const aliases = devices.map(({ element }) => {
    const alias = only(element, 'alias', remarks);
    const id = alias?.attributes.get('name');
    if (alias && id !== undefined && !QEMU_ID.test(id)) remarks.fault(alias, `${quoted(id)} is no id of QEMU's`);
    return id;
  });
  let next = 1 + Math.max(-1, ...aliases.map((alias) => Number(/^hostdev(\d{1,9})$/.exec(alias ?? '')?.[1] ?? -1)));
  const taken = new Set<string>();
  const ids = new Map<HostDevice, string>();
  for (const [index, device] of devices.entries()) {
    const id = aliases[index] ?? `hostdev${next++}`;
    if (taken.has(id)) remarks.fault(device.element, `a second device with the alias ${quoted(id)}`);
    taken.add(id);
    ids.set(device, id);
  }
  return ids;
}

/** `mdev` models, and the devices of QEMU that they become. */
const MDEV_TYPES: ReadonlyMap<string, 'mdev' | 'vfio-ap' | 'vfio-ccw'> = new Map([
  ['vfio-pci', 'mdev'],
  ['vfio-ap', 'vfio-ap'],
  ['vfio-ccw', 'vfio-ccw'],
]);

/** The device of the host; `undefined` for one that is not VFIO's. */
function sourceOf(
  { element, settings }: HostDevice,
  remarks: Remarks,
): Pick<VfioDescriptor, 'type' | 'host'> | undefined {
  const address = only(only(settings, 'source', remarks), 'address', remarks);
  const ofInterface = address?.attributes.get('type') ?? 'pci';
  const bus = element.name === 'interface' ? ofInterface : settings.attributes.get('type');
  if ((settings.attributes.get('mode') ?? 'subsystem') !== 'subsystem' || (bus !== 'pci' && bus !== 'mdev')) {
    remarks.unread(element.name, bus && `type=${bus}`);
    return undefined;
  }
  if (address === undefined) return remarks.fault(element, `<${element.name}> has no source <address>`);
  if (bus === 'pci') return { host: pciAddress(address, remarks) };
  const uuid = nameOf(address, address.attributes.get('uuid'), remarks);
  if (uuid === undefined) return remarks.fault(address, 'the source <address> of an mdev has no uuid');
  return { type: choice(settings, 'model', MDEV_TYPES, remarks) ?? 'mdev', host: uuid };
}

/** The parts of a PCI address, their largest values, and their digits as QEMU prints them. */
const PCI_PARTS = [
  ['domain', 0xffffffff, 4],
  ['bus', 0xff, 2],
  ['slot', 0x1f, 2],
  ['function', 7, 1],
] as const;

/** "0000:3b:00.1". Parts are written as C writes numbers, mostly in hexadecimal; those left out are 0. */
function pciAddress(address: XmlElement, { fault }: Remarks): string | undefined {
  const parts = PCI_PARTS.map(([part, max, digits]) => {
    const text = address.attributes.get(part) ?? '0';
    const value = numberAsInC(text);
    if (!(value <= max)) fault(address, `${part} of <address> is ${quoted(text)}, not 0 to 0x${max.toString(16)}`);
    return value.toString(16).padStart(digits, '0');
  });
  const [domain, bus, slot, fn] = parts;
  return `${domain}:${bus}:${slot}.${fn}`;
}

function numberAsInC(text: string): number {
  if (/^0x[\da-f]+$/i.test(text)) return Number(text);
  if (/^0[0-7]*$/.test(text)) return Number.parseInt(text, 8);
  return /^[1-9]\d*$/.test(text) ? Number(text) : Number.NaN;
}

const ENABLED = [
  ['on', 'on'],
  ['true', 'on'],
  ['off', 'off'],
  ['false', 'off'],
] as const;

const ON_OFF_PROPERTY: ReadonlyMap<string, 'on' | 'off'> = new Map(ENABLED);
const ON_OFF_AUTO_PROPERTY: ReadonlyMap<string, 'on' | 'off' | 'auto'> = new Map([...ENABLED, ['auto', 'auto']]);

/** Reads a property of QEMU's vfio-pci into the field that it sets. */
type PropertyReader = (property: XmlElement, remarks: Remarks) => Partial<VfioDescriptor>;

/** The properties that `<qemu:override>` may set, so far as they are read. */
const PROPERTIES: ReadonlyMap<string, PropertyReader> = new Map<string, PropertyReader>([
  ['enable-migration', (at, remarks) => ({ enableMigration: choice(at, 'value', ON_OFF_AUTO_PROPERTY, remarks) })],
  [
    'x-device-dirty-page-tracking',
    (at, remarks) => ({ deviceDirtyTracking: choice(at, 'value', ON_OFF_PROPERTY, remarks) }),
  ],
  [
    'x-pre-copy-dirty-page-tracking',
    (at, remarks) => ({ preCopyDirtyTracking: choice(at, 'value', ON_OFF_PROPERTY, remarks) }),
  ],
]);

/** `vfio` with what `<qemu:override>`, written with namespace prefix `qemu`, makes of their properties. */
export function overridden(
  domain: XmlElement,
  qemu: string,
  vfio: VfioDescriptor[],
  remarks: Remarks,
): VfioDescriptor[] {
  const devices = new Map(vfio.map((device) => [device.id, device]));
  for (const override of each(only(domain, `${qemu}:override`, remarks), `${qemu}:device`)) {
    const alias = override.attributes.get('alias') ?? '';
    for (const property of each(only(override, `${qemu}:frontend`, remarks), `${qemu}:property`)) {
      const name = property.attributes.get('name') ?? '';
      const device = devices.get(alias);
      const read = property.attributes.get('type') === 'remove' ? undefined : PROPERTIES.get(name);
      if (device && read) devices.set(alias, given({ ...device, ...read(property, remarks) }));
      else remarks.unread(`${qemu}:override`, `${alias} ${name}`);
    }
  }
  return [...devices.values()];
}
