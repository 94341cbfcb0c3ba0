import { formatSize } from '../descriptor/quantities.ts';
import type { Descriptor, ViommuDescriptor, VmDescriptor } from '../descriptor/schema.ts';
import { ImportError, type ImportFault } from './import-error.ts';
import { given, type Imported } from './imported.ts';
import { along, choice, each, integer, nameOf, ON_OFF, only, quoted, type Remarks, sizeOf } from './libvirt-element.ts';
import { hostDevices, overridden } from './libvirt-hostdev.ts';
import { parseXml, placeOf, refuse, type XmlElement } from './xml.ts';

/** Faults, and things not read, that are told of one document. */
const MAX_REMARKS = 100;

/**
 * What a libvirt domain XML says: what `virsh dumpxml` prints, or the `<domstatus>` that libvirt keeps. Throws an
 * {@link ImportError} with the faults found, and never anything else. Elements and their defaults are those of libvirt's
 * docs/formatdomain.rst up to 12.2.
 */
export function importLibvirtXml(text: string): Imported {
  const faults: ImportFault[] = [];
  const unread = new Set<string>();
  const remarks: Remarks = {
    fault: (at, detail) => {
      if (faults.length < MAX_REMARKS) faults.push({ ...placeOf(at), detail });
      return undefined;
    },
    unread: (element, detail) => {
      if (unread.size < MAX_REMARKS) unread.add(detail ? `${element} (${detail.slice(0, 64)})` : element);
    },
  };
  const domain = domainIn(parseXml(text));
  const descriptor = descriptorOf(domain, remarks);
  if (faults.length > 0) throw new ImportError(faults.toSorted((a, b) => a.line - b.line));
  return { descriptor, notes: notesOf(domain, [...unread].toSorted()) };
}

function notesOf(domain: XmlElement, unread: readonly string[]): string[] {
  const notes: string[] = [];
  const commandLine = `${prefixOf(domain)}:commandline`;
  if (each(domain, commandLine).length > 0) {
    notes.push(`<${commandLine}> is not read: its arguments may add or change devices.`);
  }
  if (unread.length > 0) notes.push(`The domain XML holds what is not read: ${unread.join(', ')}.`);
  return notes;
}

/** libvirt's status files wrap the domain in a `<domstatus>`. */
function domainIn(root: XmlElement): XmlElement {
  if (root.name === 'domain') return root;
  const [domain, second] = each(root, 'domain');
  if (second) return refuse(placeOf(second), 'a second <domain>; send one domain at a time');
  if (domain && root.name === 'domstatus') return domain;
  return refuse(placeOf(root), `no <domain>: the document is a <${root.name.slice(0, 64)}>`);
}

/** Types of domain that run in QEMU. */
const ACCELERATORS: ReadonlyMap<string, 'kvm' | 'tcg'> = new Map([
  ['kvm', 'kvm'],
  ['qemu', 'tcg'],
]);

function descriptorOf(domain: XmlElement, remarks: Remarks): Descriptor {
  const devices = only(domain, 'devices', remarks);
  const name = only(domain, 'name', remarks);
  const type = only(only(domain, 'os', remarks), 'type', remarks);
  const { vfio, known } = hostDevices(domain, devices, remarks);
  const vm = given({
    name: name && nameOf(name, name.text, remarks),
    machine: type && nameOf(type, type.attributes.get('machine'), remarks),
    accel: choice(domain, 'type', ACCELERATORS, remarks),
    ...memoryOf(domain, devices, remarks),
    cpu: cpuOf(domain, remarks),
    confidential: confidentialOf(domain, remarks),
    viommu: viommuOf(devices, remarks),
    vfio: overridden(domain, prefixOf(domain), vfio, remarks),
  });
  noteUnread(domain, remarks);
  return { vm, source: Object.keys(known).length > 0 ? { devices: known } : {} };
}

/** The namespace prefix of the elements that hand something to QEMU past libvirt. */
function prefixOf(domain: XmlElement): string {
  const namespaces = [...domain.attributes].filter(([, uri]) => uri === 'http://libvirt.org/schemas/domain/qemu/1.0');
  return namespaces.map(([name]) => name.replace(/^xmlns:/, ''))[0] ?? 'qemu';
}

/**
 * Boot RAM and memory devices. libvirt's `<memory>` is all the memory a guest has, that of `<memory model=…>` devices
 * included at their full size; QEMU's `-m` is what is left without (virDomainDefGetMemoryInitial).
 */
function memoryOf(
  domain: XmlElement,
  devices: XmlElement | undefined,
  remarks: Remarks,
): Pick<VmDescriptor, 'memory' | 'maxMemory' | 'slots' | 'hotplugged'> {
  const maxMemory = only(domain, 'maxMemory', remarks);
  const max = maxMemory && sizeOf(maxMemory, remarks);
  const modules = each(devices, 'memory').map((device) => memoryDevice(device, remarks));
  if (modules.length > 256) remarks.fault(domain, 'more than 256 memory devices');
  const hotplugged = modules.flatMap((module) => module?.hotplugged ?? []);
  return {
    memory: formatSize(bootRam(domain, modules, remarks)),
    maxMemory: max === undefined ? undefined : formatSize(max),
    slots: integer(maxMemory, 'slots', [0, 256], remarks),
    hotplugged: hotplugged.length > 0 ? hotplugged : undefined,
  };
}

interface MemoryDevice {
  /** What it takes of the domain's `<memory>`, in bytes. */
  readonly size: bigint;
  readonly hotplugged: NonNullable<VmDescriptor['hotplugged']>;
}

function bootRam(domain: XmlElement, modules: readonly (MemoryDevice | undefined)[], remarks: Remarks): bigint {
  const memory = only(domain, 'memory', remarks);
  if (memory === undefined) remarks.fault(domain, '<domain> has no <memory>');
  const total = memory && sizeOf(memory, remarks);
  if (memory === undefined || total === undefined) return 0n;
  const plugged = modules.reduce((sum, module) => sum + (module?.size ?? 0n), 0n);
  if (plugged < total) return total - plugged;
  remarks.fault(
    memory,
    `memory devices take ${formatSize(plugged)} of ${formatSize(total)}: no RAM is left to boot with`,
  );
  return 0n;
}

/** A `<memory>` device. Of a virtio-mem, what is `<requested>` is or will be plugged, and may be less than its size. */
function memoryDevice(device: XmlElement, remarks: Remarks): MemoryDevice | undefined {
  const target = only(device, 'target', remarks);
  const [whole, requested, block] = ['size', 'requested', 'block'].map((name) => only(target, name, remarks));
  if (whole === undefined) return remarks.fault(device, '<memory> device has no target <size>');
  const size = sizeOf(whole, remarks);
  if (size === undefined) return undefined;
  const model = device.attributes.get('model');
  if (model === 'dimm') return { size, hotplugged: [{ model, size: formatSize(size) }] };
  if (model === 'virtio-mem') {
    const plugged = requested && sizeOf(requested, remarks);
    const blockSize = block && sizeOf(block, remarks);
    const sizes = {
      size: formatSize(plugged ?? size),
      blockSize: blockSize === undefined ? undefined : formatSize(blockSize),
    };
    return { size, hotplugged: [given({ model, ...sizes })] };
  }
  remarks.unread('memory', model && `model=${model}`);
  return { size, hotplugged: [] };
}

function cpuOf(domain: XmlElement, remarks: Remarks): VmDescriptor['cpu'] {
  const physBits = integer(only(only(domain, 'cpu', remarks), 'maxphysaddr', remarks), 'bits', [1, 64], remarks);
  return physBits === undefined ? undefined : { physBits };
}

/** Policy bit of AMD's SEV that asks for encrypted registers too (SEV-ES). */
const SEV_POLICY_ES = 4n;

function confidentialOf(domain: XmlElement, remarks: Remarks): VmDescriptor['confidential'] {
  const security = only(domain, 'launchSecurity', remarks);
  const type = security?.attributes.get('type');
  if (type === 'sev-snp' || type === 'tdx') return type;
  if (security === undefined) return undefined;
  if (type !== 'sev') {
    remarks.unread('launchSecurity', type && `type=${type}`);
    return undefined;
  }
  const policy = only(security, 'policy', remarks);
  if (policy === undefined) return 'sev';
  const digits = /^(?:0x)?([\da-f]{1,8})$/i.exec(policy.text)?.[1];
  if (digits === undefined) return remarks.fault(policy, `<policy> is ${quoted(policy.text)}, not hexadecimal`);
  return (BigInt(`0x${digits}`) & SEV_POLICY_ES) === 0n ? 'sev' : 'sev-es';
}

const VIOMMU_MODELS: ReadonlyMap<string, ViommuDescriptor['model']> = new Map(
  (['intel', 'virtio', 'amd', 'smmuv3'] as const).map((model) => [model, model]),
);

/** The attributes of `<driver>` that are on or off, and where a descriptor holds them. */
const VIOMMU_SWITCHES = [
  ['intremap', 'intremap'],
  ['caching_mode', 'cachingMode'],
  ['eim', 'eim'],
  ['iotlb', 'deviceIotlb'],
  ['dma_translation', 'dmaTranslation'],
  ['accel', 'accel'],
] as const;

const VIOMMU_ATTRIBUTES: ReadonlySet<string> = new Set([
  ...VIOMMU_SWITCHES.map(([attribute]) => attribute),
  'aw_bits',
  'granule',
]);

function viommuOf(devices: XmlElement | undefined, remarks: Remarks): ViommuDescriptor | undefined {
  const [iommu, second] = each(devices, 'iommu');
  if (second) remarks.fault(second, 'a second <iommu>: only domains with one can be read so far');
  if (iommu === undefined) return undefined;
  if (!iommu.attributes.has('model')) return remarks.fault(iommu, '<iommu> has no model');
  const model = choice(iommu, 'model', VIOMMU_MODELS, remarks);
  const driver = only(iommu, 'driver', remarks);
  for (const attribute of driver?.attributes.keys() ?? []) {
    if (!VIOMMU_ATTRIBUTES.has(attribute)) remarks.unread('iommu', attribute);
  }
  const switches = VIOMMU_SWITCHES.map(([name, field]) => [field, choice(driver, name, ON_OFF, remarks)] as const);
  const addressWidth = integer(driver, 'aw_bits', [1, 64], remarks);
  const granule = granuleOf(driver, remarks);
  return model && given({ model, addressWidth, ...Object.fromEntries(switches), granule });
}

/** A virtio-iommu's granule by QEMU's name: "64k" or "host". libvirt has it in an element, and had it in an attribute. */
function granuleOf(driver: XmlElement | undefined, remarks: Remarks): string | undefined {
  const granule = only(driver, 'granule', remarks);
  const size = granule?.attributes.get('size');
  if (granule === undefined) return driver && nameOf(driver, driver.attributes.get('granule')?.toLowerCase(), remarks);
  if (size === undefined) return choice(granule, 'mode', GRANULE_MODES, remarks);
  const bytes = sizeOf(granule, remarks, size);
  return bytes === undefined ? undefined : `${bytes >> 10n}k`;
}

const GRANULE_MODES: ReadonlyMap<string, string> = new Map([['host', 'host']]);

/**
 * What may keep a domain from migrating, or change what its devices map, and is not read yet: the element at the end of
 * a path, where an attribute is named only with one of these values.
 */
const UNREAD: readonly (readonly [path: readonly string[], attribute?: string, values?: readonly string[]])[] = [
  [['cpu', 'feature'], 'name', ['invtsc']],
  [['cpu', 'numa']],
  [['devices', 'controller'], 'type', ['nvme']],
  [['devices', 'crypto']],
  [['devices', 'disk'], 'type', ['nvme', 'vhostuser', 'vhostvdpa']],
  [['devices', 'filesystem']],
  [['devices', 'input'], 'type', ['passthrough']],
  [['devices', 'interface'], 'type', ['vdpa', 'vhostuser']],
  [['devices', 'shmem']],
  [['devices', 'sound'], 'model', ['usb', 'virtio']],
  [['devices', 'tpm']],
  [['devices', 'video', 'model', 'acceleration'], 'accel3d', ['yes']],
  [['features', 'hyperv'], 'mode', ['passthrough']],
  [['memoryBacking']],
];

/** Image formats that never keep a domain from migrating. */
const MIGRATABLE_FORMATS: ReadonlySet<string> = new Set(['raw', 'qcow2']);

function noteUnread(domain: XmlElement, { unread }: Remarks): void {
  for (const [path, attribute, values] of UNREAD) {
    for (const { name, attributes } of along(domain, ...path)) {
      const value = attribute === undefined ? undefined : attributes.get(attribute);
      if (attribute === undefined) unread(name);
      else if (value !== undefined && values?.includes(value)) unread(name, `${attribute}=${value}`);
    }
  }
  for (const { attributes } of along(domain, 'devices', 'disk', 'driver')) {
    const format = attributes.get('type') ?? 'raw';
    if (!MIGRATABLE_FORMATS.has(format)) unread('disk', `format=${format}`);
  }
}
