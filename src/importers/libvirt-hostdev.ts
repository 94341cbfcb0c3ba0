import type { HostDeviceDescriptor } from '../descriptor/schema.ts';
import { device, type Domain, type DomainOption, type Values } from './libvirt-domain.ts';
import { addressParts, choice, each, nameOf, only, YES_NO } from './libvirt-element.ts';
import type { XmlElement } from './xml.ts';

/** The object that libvirt gives a domain's devices, one for all of them. */
const IOMMUFD_OBJECT = 'iommufd0';

/** A `<hostdev>`, or an `<interface>` that is one. */
interface HostDevice {
  readonly element: XmlElement;
  /** What holds its source and driver: the element, or `<actual>` of an interface to a network of host devices. */
  readonly settings: XmlElement;
}

/** What holds the type and source of an interface: of one to a network, what was chosen from the network. */
export const settingsOf = (element: XmlElement): XmlElement => each(element, 'actual')[0] ?? element;

/** In libvirt's order: it parses `<interface>` before `<hostdev>`. */
const hostDevicesOf = (domain: Domain): readonly HostDevice[] => [
  ...domain
    .all('interface')
    .map((element) => ({ element, settings: settingsOf(element) }))
    .filter(({ settings }) => settings.attributes.get('type') === 'hostdev'),
  ...domain.all('hostdev').map((element) => ({ element, settings: element })),
];

/** The devices of the host that a domain is handed. */
export function hostDevices(domain: Domain): DomainOption[] {
  const devices = hostDevicesOf(domain).flatMap((found) => hostDevice(found, domain));
  const first = devices.find(({ says }) => typeof says === 'object' && says['iommufd'] !== undefined);
  return first
    ? [{ at: first.at, name: 'object', says: { 'qom-type': 'iommufd', id: IOMMUFD_OBJECT } }, ...devices]
    : devices;
}

/** The drivers that those devices of the host are to be bound to which QEMU knows by one of `ids`. */
export function hostDrivers(
  domain: Domain,
  ids: ReadonlySet<string | undefined>,
): Record<string, HostDeviceDescriptor> {
  const drivers = hostDevicesOf(domain).flatMap(({ element, settings }) => {
    const id = domain.idOf(element, 'hostdev');
    const driver = only(settings, 'driver', domain.remarks);
    const model = driver && nameOf(driver, driver.attributes.get('model'), domain.remarks);
    return model === undefined || !ids.has(id) ? [] : [[id, { driver: model }] as const];
  });
  return Object.fromEntries(drivers);
}

function hostDevice(at: HostDevice, domain: Domain): readonly DomainOption[] {
  const { element, settings } = at;
  const address = only(only(settings, 'source', domain.remarks), 'address', domain.remarks);
  const isInterface = element.name === 'interface';
  const type = isInterface ? (address?.attributes.get('type') ?? 'pci') : settings.attributes.get('type');
  const id = domain.idOf(element, 'hostdev');
  if ((settings.attributes.get('mode') ?? 'subsystem') !== 'subsystem') {
    domain.remarks.unread(element.name, type && `type=${type}`);
    return [];
  }
  switch (type) {
    case 'pci':
      return pciDevice(at, address, id, domain);
    case 'mdev':
      return mediatedDevice(at, address, id, domain);
    case 'usb':
      return [device(element, 'usb-host', id, domain.port(element))];
    case 'scsi':
      return [device(element, 'scsi-generic', id)];
    case 'scsi_host': {
      const driver = domain.virtio('vhost-scsi', element, settings.attributes.get('model'));
      return [device(element, driver, id, domain.place(element))];
    }
    case undefined:
    default:
      domain.remarks.unread(element.name, type && `type=${type}`);
      return [];
  }
}

/** The parts of a PCI address on the host, their largest values, and their digits as QEMU prints them. */
const PCI_PARTS = [
  ['domain', 0xffffffff, 4],
  ['bus', 0xff, 2],
  ['slot', 0x1f, 2],
  ['function', 7, 1],
] as const;

/** libvirt opens a device for an iommufd itself, so that QEMU knows it by a descriptor and not by its address. */
function pciDevice(
  { element, settings }: HostDevice,
  address: XmlElement | undefined,
  id: string,
  domain: Domain,
): readonly DomainOption[] {
  const { remarks } = domain;
  if (address === undefined) remarks.fault(element, `<${element.name}> has no source <address>`);
  // The guest does not get what is only kept from others.
  if (address === undefined || each(element, 'address')[0]?.attributes.get('type') === 'unassigned') return [];
  const parts = addressParts(
    address,
    PCI_PARTS.map(([name, max]) => [name, max] as const),
    remarks,
  );
  const [host, bus, slot, fn] = PCI_PARTS.map(([, , digits], index) =>
    (parts[index] ?? 0).toString(16).padStart(digits, '0'),
  );
  const isIommufd = choice(only(settings, 'driver', remarks), 'iommufd', YES_NO, remarks) ?? domain.isIommufd;
  const teaming = only(element, 'teaming', remarks)?.attributes;
  const says: Values = {
    ...(isIommufd ? { fd: `${id}-fd`, iommufd: IOMMUFD_OBJECT } : { host: `${host}:${bus}:${slot}.${fn}` }),
    failover_pair_id: teaming?.get('type') === 'transient' ? teaming.get('persistent') : undefined,
    ...domain.place(element),
  };
  return [device(element, vfioPci(each(settings, 'source')[0] && settings), id, says)];
}

const vfioPci = (settings: XmlElement | undefined): string =>
  settings?.attributes.get('ramfb') === 'on' ? 'vfio-pci-nohotplug' : 'vfio-pci';

/** `mdev` models, and whether they sit on a PCI bus. */
const MDEV_MODELS: ReadonlyMap<string, boolean> = new Map([
  ['vfio-pci', true],
  ['vfio-ap', false],
  ['vfio-ccw', false],
]);

function mediatedDevice(
  { element, settings }: HostDevice,
  address: XmlElement | undefined,
  id: string,
  domain: Domain,
): readonly DomainOption[] {
  const { remarks } = domain;
  const uuid = address && nameOf(address, address.attributes.get('uuid'), remarks);
  if (uuid === undefined) {
    return remarks.fault(address ?? element, `the source <address> of an mdev has no uuid`) ?? [];
  }
  const isPci = choice(settings, 'model', MDEV_MODELS, remarks) ?? true;
  const isIommufd = choice(only(settings, 'driver', remarks), 'iommufd', YES_NO, remarks) ?? false;
  const says: Values = {
    sysfsdev: `/sys/bus/mdev/devices/${uuid}`,
    iommufd: isIommufd ? IOMMUFD_OBJECT : undefined,
    ...(isPci ? domain.place(element) : {}),
  };
  return [device(element, isPci ? vfioPci(settings) : (settings.attributes.get('model') ?? 'vfio-pci'), id, says)];
}
