import { device, type Domain, type DomainOption } from './libvirt-domain.ts';
import { attributeAt, each, integer } from './libvirt-element.ts';
import type { XmlElement } from './xml.ts';

/**
 * Disks, and the images they stand on. A running domain numbers its images; else libvirt does, from the last disk to the
 * first and from each image to those it is based on.
 */
export function disks(domain: Domain): DomainOption[] {
  const all = domain.all('disk');
  const numbers = new Map<XmlElement, number>();
  for (const image of all.toReversed().flatMap((disk) => chainOf(disk))) numbers.set(image, numbers.size + 1);
  const floppies = all.filter((disk) => busOf(disk) === 'fdc');
  const [floppy] = /q35/.test(domain.machine ?? '') ? floppies : [];
  return [
    ...(floppy ? [device(floppy, 'isa-fdc', undefined)] : []),
    ...all.flatMap((disk) => [...images(disk, numbers, domain), ...front(disk, domain)]),
  ];
}

/** A disk and the images that it is based on. */
function chainOf(disk: XmlElement): readonly XmlElement[] {
  if (each(disk, 'source').length === 0) return [];
  const [below] = each(disk, 'backingStore');
  return [disk, ...(below ? chainOf(below) : [])];
}

/** Formats in which libvirt lets QEMU see the bytes as they are. */
const PLAIN: ReadonlySet<string> = new Set(['raw', 'fat', 'none']);

function images(disk: XmlElement, numbers: ReadonlyMap<XmlElement, number>, { remarks }: Domain): DomainOption[] {
  const type = disk.attributes.get('type');
  if (type === 'nvme' || type === 'vhostvdpa') remarks.unread('disk', `type=${type}`);
  if (type === 'vhostuser') return [];
  return chainOf(disk)
    .toReversed()
    .flatMap((image): DomainOption[] => {
      const format = attributeAt(image, 'type', image === disk ? 'driver' : 'format') ?? 'raw';
      const [source] = each(image, 'source');
      const number = integer(source, 'index', [0, 0x7fffffff], remarks) ?? numbers.get(image);
      const says = { driver: format, 'node-name': `libvirt-${number}-format` };
      return PLAIN.has(format) ? [] : [{ at: source ?? image, name: 'blockdev', says }];
    });
}

/** libvirt calls a disk without an alias after its place on a controller (qemuAssignDeviceDiskAlias). */
function placeOf(disk: XmlElement, bus: string): string | undefined {
  const address = each(disk, 'address')[0]?.attributes;
  if (address?.get('type') !== 'drive') return undefined;
  const levels = bus === 'scsi' ? ['controller', 'bus', 'target', 'unit'] : ['controller', 'bus', 'unit'];
  return `${bus}${levels.map((level) => address.get(level) ?? '0').join('-')}`;
}

const busOf = (disk: XmlElement): string | undefined => attributeAt(disk, 'bus', 'target');

/** What the guest sees of a disk. */
function front(disk: XmlElement, domain: Domain): readonly DomainOption[] {
  const bus = busOf(disk) ?? '';
  const kind = disk.attributes.get('device') ?? 'disk';
  const id = domain.idOf(disk, `${bus}-disk`, placeOf(disk, bus));
  if (bus === 'virtio') {
    const base = disk.attributes.get('type') === 'vhostuser' ? 'vhost-user-blk' : 'virtio-blk';
    return [device(disk, domain.virtio(base, disk, disk.attributes.get('model')), id, domain.place(disk))];
  }
  if (bus === 'usb') return [device(disk, 'usb-storage', id, domain.port(disk))];
  if (bus === 'nvme') {
    const controller = Number(each(disk, 'address')[0]?.attributes.get('controller') ?? 0);
    return [device(disk, 'nvme-ns', id, { bus: domain.controller('nvme', controller) })];
  }
  const driver = FRONTS.get(`${bus} ${kind}`) ?? FRONTS.get(bus);
  return driver === undefined ? [] : [device(disk, driver, id)];
}

/** What the guest sees, by the bus and the kind of a disk; a disk unless there is more to choose from. */
const FRONTS: ReadonlyMap<string, string> = new Map([
  ['fdc', 'floppy'],
  ['ide', 'ide-hd'],
  ['ide cdrom', 'ide-cd'],
  ['sata', 'ide-hd'],
  ['sata cdrom', 'ide-cd'],
  ['scsi', 'scsi-hd'],
  ['scsi cdrom', 'scsi-cd'],
  ['scsi lun', 'scsi-block'],
]);
