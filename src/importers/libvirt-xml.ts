import type { Descriptor, VmDescriptor } from '../descriptor/schema.ts';
import { refuse } from './import-error.ts';
import { type Found, given, type Imported } from './imported.ts';
import { commandLineOf } from './libvirt-command.ts';
import { isUndecided } from './libvirt-devices.ts';
import { Domain } from './libvirt-domain.ts';
import { attributeAt, each, type DomainRemarks } from './libvirt-element.ts';
import { hostDrivers } from './libvirt-hostdev.ts';
import { vmOf } from './qemu-argv.ts';
import { readCommandLine } from './qemu-command-line.ts';
import { Remarks } from './qemu-remarks.ts';
import { parseXml, placeOf, type XmlElement } from './xml.ts';

/**
 * The domains of a libvirt domain XML: what `virsh dumpxml` prints, the `<domstatus>` that libvirt keeps, or several of
 * either under one root. Each becomes what the command line that libvirt starts QEMU with becomes. Throws an ImportError
 * with the faults found, and never anything else. Elements and their defaults are those of libvirt up to 12.2.
 */
export function findDomains(text: string): readonly Found[] {
  const root = parseXml(text);
  const domains = domainsIn(root);
  if (domains.length === 0) refuse(placeOf(root), `no <domain>: the document is a <${root.name.slice(0, 64)}>`);
  return domains.map((domain) => ({ place: placeOf(domain.domain), read: () => importDomain(domain) }));
}

/** A domain, and the `<domstatus>` around it. */
interface DomainElement {
  readonly domain: XmlElement;
  readonly status?: XmlElement;
}

/** A snapshot, a checkpoint or a backup holds a domain that is no more. */
function domainsIn(root: XmlElement): readonly DomainElement[] {
  if (root.name === 'domain') return [{ domain: root }];
  if (root.name === 'domstatus') return each(root, 'domain').map((domain) => ({ domain, status: root }));
  if (/^domain(?:snapshot|checkpoint|backup)$/.test(root.name)) return [];
  return root.children.flatMap((child) =>
    child.name === 'domain' || child.name === 'domstatus' ? domainsIn(child) : [],
  );
}

function importDomain({ domain: element, status }: DomainElement): Imported {
  const remarks = new Remarks('The domain XML');
  const { domain, vm } = readDomain(element, remarks);
  const known = hostDrivers(domain, new Set(vm.vfio.map(({ id }) => id)));
  const state = stateOf(element, status);
  for (const at of domain.all('interface').filter(isUndecided)) {
    const network = attributeAt(at, 'network', 'source') ?? '';
    remarks.note(
      `<interface> to the network ${network.slice(0, 64)}: whether it is a device of the host only a running domain tells.`,
    );
  }
  const notes = remarks.close();
  const descriptor: Descriptor = given({
    state: state === undefined ? undefined : ('running' as const),
    vm: state === 'pmsuspended' ? { ...vm, runtime: { suspended: true } } : vm,
    source: Object.keys(known).length > 0 ? { devices: known } : {},
  });
  return { descriptor, notes, origins: originsOf(domain, status, remarks) };
}

/** A domain, and the VM that QEMU makes of the command line that libvirt starts it with. */
export function readDomain(element: XmlElement, remarks: Remarks): { domain: Domain; vm: VmDescriptor } {
  const domain = new Domain(element, remarksOf(remarks));
  const line = readCommandLine({ program: undefined, args: commandLineOf(domain), host: {} }, remarks);
  return { domain, vm: vmOf({ ...line, isPlaced: domain.isPlaced }) };
}

/** The state of a domain that runs: that of its status, or "running" where it has a number among those that run. */
function stateOf(domain: XmlElement, status: XmlElement | undefined): string | undefined {
  if (status) {
    const state = status.attributes.get('state');
    return state === undefined || /^(?:shutoff|crashed)$/.test(state) ? undefined : state;
  }
  return /^\d+$/.test(domain.attributes.get('id') ?? '') ? 'running' : undefined;
}

function originsOf(
  { element, devices }: Domain,
  status: XmlElement | undefined,
  remarks: Remarks,
): NonNullable<Imported['origins']> {
  const emulator = each(devices, 'emulator')[0];
  return {
    '/vm': `line ${element.line}: <domain>`,
    ...remarks.origins,
    '/state': `line ${(status ?? element).line}: <${(status ?? element).name}>`,
    ...(emulator && {
      '/source/qemu': `line ${emulator.line}: <emulator> ${emulator.text.slice(0, 256)}, of no version`,
    }),
  };
}

const remarksOf = (remarks: Remarks): DomainRemarks => ({
  fault: (at, detail) => remarks.faultAt(at, detail),
  unread: (element, detail) => remarks.unread(detail ? `${element} (${detail.slice(0, 64)})` : element),
  note: (sentence) => remarks.note(sentence),
});
