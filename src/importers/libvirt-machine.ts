import { device, type Domain, type DomainOption } from './libvirt-domain.ts';
import { along, attributeAt, choice, each, integer, nameOf, only, quoted } from './libvirt-element.ts';
import { RAM_OBJECT } from './libvirt-memory.ts';
import type { XmlElement } from './xml.ts';

/** The object by which QEMU protects a guest from its host. */
const SECURITY_OBJECT = 'lsec0';

/** The name, machine, accelerator and processor that a domain asks for. */
export function machineOptions(domain: Domain): DomainOption[] {
  const { element, remarks } = domain;
  const name = only(element, 'name', remarks);
  const type = only(only(element, 'os', remarks), 'type', remarks);
  const at = type ?? element;
  const security = only(element, 'launchSecurity', remarks);
  const machine = {
    type: type && nameOf(type, domain.machine, remarks),
    'kernel-irqchip': choice(along(element, 'features', 'ioapic')[0], 'driver', IRQCHIPS, remarks),
    'memory-backend': along(element, 'cpu', 'numa', 'cell').length > 0 ? undefined : RAM_OBJECT,
    'confidential-guest-support': OBJECTS.has(security?.attributes.get('type') ?? '') ? SECURITY_OBJECT : undefined,
    iommu: domain.all('iommu').some(isOnBoard) ? 'smmuv3' : undefined,
  };
  const accel = choice(element, 'type', ACCELERATORS, remarks);
  const guest = name && nameOf(name, name.text, remarks);
  return [
    ...(name && guest !== undefined ? [{ at: name, name: 'name', says: { guest } }] : []),
    { at, name: 'machine', says: machine },
    ...(accel === undefined ? [] : [{ at: element, name: 'accel', says: { accel } }]),
    ...processor(domain),
    { at: element, name: 'nodefaults', says: '' },
    ...(security ? protection(security, domain) : []),
  ];
}

/** Types of domain that run in QEMU. */
const ACCELERATORS: ReadonlyMap<string, 'kvm' | 'tcg'> = new Map([
  ['kvm', 'kvm'],
  ['qemu', 'tcg'],
]);

/** Where `<ioapic>` has the I/O APIC emulated, and the kernel's part that is left of the interrupt controllers. */
const IRQCHIPS: ReadonlyMap<string, 'on' | 'split'> = new Map([
  ['kvm', 'on'],
  ['qemu', 'split'],
]);

/** Whether an SMMUv3 is the machine's own: neither for one root bus alone, nor accelerated. */
export const isOnBoard = (iommu: XmlElement): boolean =>
  iommu.attributes.get('model') === 'smmuv3' &&
  attributeAt(iommu, 'pciBus', 'driver') === undefined &&
  attributeAt(iommu, 'accel', 'driver') === undefined;

/** `-cpu`, so far as it decides about migration. A host-model is told only once the domain runs. */
function processor({ element, remarks }: Domain): DomainOption[] {
  const cpu = only(element, 'cpu', remarks);
  const mode = cpu?.attributes.get('mode') ?? 'custom';
  const model = only(cpu, 'model', remarks);
  const timer = along(element, 'clock', 'timer').find(({ attributes }) => attributes.get('name') === 'tsc');
  const frequency = integer(timer, 'frequency', [0, Number.MAX_SAFE_INTEGER], remarks);
  const physBits = integer(only(cpu, 'maxphysaddr', remarks), 'bits', [1, 64], remarks);
  const invtsc = each(cpu, 'feature').find(({ attributes }) => attributes.get('name') === 'invtsc');
  const features = {
    migratable: cpu?.attributes.get('migratable'),
    vendor: model?.attributes.get('vendor_id'),
    invtsc: invtsc && POLICIES.get(invtsc.attributes.get('policy') ?? 'require'),
    'tsc-frequency': frequency,
    'hv-passthrough': attributeAt(element, 'mode', 'features', 'hyperv') === 'passthrough' ? 'on' : undefined,
    'phys-bits': physBits,
  };
  const says = Object.entries(features).flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${value}`]));
  const named = MODELS.get(mode) ?? (model?.text || 'qemu64');
  if (says.length === 0 && mode === 'custom' && model === undefined) return [];
  return [
    { at: cpu ?? element, name: 'cpu', says: [named, ...says].map((part) => part.replaceAll(',', '')).join(',') },
  ];
}

const MODELS: ReadonlyMap<string, string> = new Map([
  ['host-passthrough', 'host'],
  ['maximum', 'max'],
  ['host-model', 'host-model'],
]);

const POLICIES: ReadonlyMap<string, string> = new Map([
  ['force', 'on'],
  ['require', 'on'],
  ['disable', 'off'],
  ['forbid', 'off'],
]);

/** `<launchSecurity>`, by its type. */
function protection(at: XmlElement, { remarks }: Domain): DomainOption[] {
  const type = at.attributes.get('type') ?? '';
  const object = OBJECTS.get(type);
  if (object === undefined) {
    remarks.unread('launchSecurity', type && `type=${type}`);
    return [];
  }
  const policy = only(at, 'policy', remarks);
  const digits = policy && /^(?:0x)?([\da-f]{1,16})$/i.exec(policy.text)?.[1];
  if (policy && digits === undefined) remarks.fault(policy, `<policy> is ${quoted(policy.text)}, not hexadecimal`);
  const says = { 'qom-type': object, id: SECURITY_OBJECT, policy: digits === undefined ? undefined : `0x${digits}` };
  return [{ at, name: 'object', says }];
}

const OBJECTS: ReadonlyMap<string, string> = new Map([
  ['sev', 'sev-guest'],
  ['sev-snp', 'sev-snp-guest'],
  ['tdx', 'tdx-guest'],
  ['s390-pv', 's390-pv-guest'],
]);

/** The device by which a guest tells that it was restored. */
export const generationId = ({ element }: Domain): DomainOption[] =>
  each(element, 'genid').map((at) => device(at, 'vmgenid', 'vmgenid0'));

/** The device by which a guest's kernel says how to read a dump of it. */
export const coreInfo = ({ element }: Domain): DomainOption[] =>
  along(element, 'features', 'vmcoreinfo')
    .filter(({ attributes }) => attributes.get('state') !== 'off')
    .map((at) => device(at, 'vmcoreinfo', undefined));
