import { device, type Domain, type DomainOption, type Values } from './libvirt-domain.ts';
import { choice, integer, ON_OFF, only, quoted, sizeOf } from './libvirt-element.ts';
import { isOnBoard } from './libvirt-machine.ts';
import type { XmlElement } from './xml.ts';

/** The vIOMMUs that stand in front of all other devices. */
export const iommus = (domain: Domain): DomainOption[] =>
  domain
    .all('iommu')
    .filter((at) => at.attributes.get('model') !== 'smmuv3')
    .flatMap((at) => iommu(at, domain));

/** Those of one root bus each, which libvirt puts behind the buses. */
export const busIommus = (domain: Domain): DomainOption[] =>
  domain
    .all('iommu')
    .filter((at) => at.attributes.get('model') === 'smmuv3' && !isOnBoard(at))
    .flatMap((at) => iommu(at, domain));

/** Attributes of `<driver>` that are on or off, and the properties of QEMU's that they set. */
const SWITCHES: ReadonlyMap<string, string> = new Map([
  ['accel', 'accel'],
  ['ats', 'ats'],
  ['caching_mode', 'caching-mode'],
  ['cmdqv', 'cmdqv'],
  ['dma_translation', 'dma-translation'],
  ['eim', 'eim'],
  ['fsts', 'fsts'],
  ['intremap', 'intremap'],
  ['iotlb', 'device-iotlb'],
  ['passthrough', 'pt'],
  ['ril', 'ril'],
  ['scalable_mode', 'scalable-mode'],
  ['svm', 'svm'],
  ['xtsup', 'xtsup'],
]);

/** Attributes that hold anything else. */
const OTHERS: ReadonlySet<string> = new Set(['aw_bits', 'granule', 'pciBus', 'oas', 'ssidSize', 'ssidsize']);

function iommu(at: XmlElement, domain: Domain): DomainOption[] {
  const { remarks } = domain;
  if (!at.attributes.has('model')) remarks.fault(at, '<iommu> has no model');
  const driver = choice(at, 'model', DRIVERS, remarks);
  const settings = only(at, 'driver', remarks);
  for (const attribute of settings?.attributes.keys() ?? []) {
    if (!SWITCHES.has(attribute) && !OTHERS.has(attribute)) remarks.unread('iommu', attribute);
  }
  if (driver === undefined) return [];
  const id = domain.idOf(at, 'iommu');
  const switches = [...SWITCHES].map(([attribute, property]) => [
    property,
    choice(settings, attribute, ON_OFF, remarks),
  ]);
  const pciBus = integer(settings, 'pciBus', [0, 255], remarks);
  const says: Values = {
    ...Object.fromEntries(switches),
    'aw-bits': integer(settings, 'aw_bits', [1, 64], remarks),
    granule: granuleOf(settings, domain),
    oas: settings?.attributes.get('oas'),
    ssidsize: settings?.attributes.get('ssidSize') ?? settings?.attributes.get('ssidsize'),
    'primary-bus': pciBus === undefined ? undefined : domain.controller('pci', pciBus),
  };
  // libvirt gives an amd-iommu the PCI device by which it can be migrated.
  if (driver === 'amd-iommu') {
    return [device(at, 'AMDVI-PCI', id, domain.place(at)), device(at, driver, undefined, { 'pci-id': id, ...says })];
  }
  return [device(at, driver, id, { ...says, ...(driver === 'virtio-iommu' ? domain.place(at) : {}) })];
}

const DRIVERS: ReadonlyMap<string, string> = new Map([
  ['intel', 'intel-iommu'],
  ['virtio', 'virtio-iommu'],
  ['amd', 'amd-iommu'],
  ['smmuv3', 'arm-smmuv3'],
]);

/** A virtio-iommu's granule by QEMU's name: "64k" or "host". libvirt has it in an element, and had it in an attribute. */
function granuleOf(driver: XmlElement | undefined, { remarks }: Domain): string | undefined {
  const granule = only(driver, 'granule', remarks);
  const size = granule?.attributes.get('size');
  if (granule === undefined) return driver?.attributes.get('granule')?.toLowerCase();
  if (size === undefined) return choice(granule, 'mode', GRANULE_MODES, remarks);
  const bytes = sizeOf(granule, remarks, size);
  if (bytes !== undefined && bytes >= 1n << 60n) return remarks.fault(granule, `size of <granule> is ${quoted(size)}`);
  return bytes === undefined ? undefined : `${bytes >> 10n}k`;
}

const GRANULE_MODES: ReadonlyMap<string, string> = new Map([['host', 'host']]);
