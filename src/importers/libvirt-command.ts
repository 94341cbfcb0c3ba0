import { CONTROLLER_TYPES, controllersOf } from './libvirt-controller.ts';
import { AFTER_ARGUMENTS, AFTER_HOST_DEVICES, BEFORE_HOST_DEVICES } from './libvirt-devices.ts';
import { disks } from './libvirt-disk.ts';
import { device, type Domain, type DomainOption, type Reader, type Values } from './libvirt-domain.ts';
import { along, type DomainRemarks, quoted } from './libvirt-element.ts';
import { hostDevices } from './libvirt-hostdev.ts';
import { busIommus, iommus } from './libvirt-iommu.ts';
import { coreInfo, generationId, machineOptions } from './libvirt-machine.ts';
import { bootMemory, memoryDevice } from './libvirt-memory.ts';
import type { Argument } from './qemu-command.ts';
import type { XmlElement } from './xml.ts';

/**
 * The arguments that libvirt starts QEMU with for a domain, so far as they are read, in libvirt's order
 * (qemuBuildCommandLine, libvirt 11.3; vIOMMUs as of 12.2). Devices are in JSON, as for any QEMU since 6.2, so that QEMU
 * realizes those of `<qemu:commandline>` in key=value syntax before them.
 */
export function commandLineOf(domain: Domain): Argument[] {
  const overrides = overridesOf(domain);
  const options = [...optionsOf(domain)];
  const args = options.flatMap((option) => argumentsOf(option, overrides));
  const aliases = new Set(options.map(({ says }) => (typeof says === 'object' ? says['id'] : undefined)));
  for (const alias of overrides.keys()) {
    if (!aliases.has(alias)) domain.remarks.unread(`${prefixOf(domain.element)}:override`, alias);
  }
  return args.map((argument, index) => ({ ...argument, index }));
}

function* optionsOf(domain: Domain): Generator<DomainOption> {
  const all = function* (readers: readonly (readonly [string, Reader])[]): Generator<DomainOption> {
    for (const [name, read] of readers) for (const at of domain.all(name)) yield* read(at, domain);
  };
  yield* machineOptions(domain);
  yield* bootMemory(domain);
  yield* generationId(domain);
  yield* iommus(domain);
  for (const type of CONTROLLER_TYPES) yield* controllersOf(type, domain);
  yield* busIommus(domain);
  yield* all([['memory', memoryDevice]]);
  yield* all([['hub', (at) => [device(at, 'usb-hub', domain.idOf(at, 'hub'), domain.port(at))]]]);
  yield* controllersOf('ccid', domain);
  yield* disks(domain);
  yield* all(BEFORE_HOST_DEVICES);
  yield* hostDevices(domain);
  yield* all(AFTER_HOST_DEVICES);
  yield* coreInfo(domain);
  yield* written(domain);
  yield* all(AFTER_ARGUMENTS);
}

/** The namespace prefix of the elements that hand something to QEMU past libvirt. */
function prefixOf(domain: XmlElement): string {
  const namespaces = [...domain.attributes].filter(([, uri]) => uri === 'http://libvirt.org/schemas/domain/qemu/1.0');
  return namespaces.map(([name]) => name.replace(/^xmlns:/, ''))[0] ?? 'qemu';
}

/** The name under which an argument of `<qemu:commandline>` stands among options. */
const WRITTEN = '';

function written({ element, remarks }: Domain): DomainOption[] {
  const prefix = prefixOf(element);
  return along(element, `${prefix}:commandline`, `${prefix}:arg`).map((at) => {
    const value = at.attributes.get('value');
    if (value === undefined) remarks.fault(at, `<${at.name}> has no value`);
    return { at, name: WRITTEN, says: value ?? '' };
  });
}

/** What `<qemu:override>` makes of the properties of devices, by their aliases. */
function overridesOf({ element, remarks }: Domain): ReadonlyMap<string, Values> {
  const prefix = prefixOf(element);
  return new Map(
    along(element, `${prefix}:override`, `${prefix}:device`).map((override) => {
      const properties = along(override, `${prefix}:frontend`, `${prefix}:property`);
      const values = properties.map((at) => [at.attributes.get('name') ?? '', propertyOf(at, remarks)] as const);
      return [override.attributes.get('alias') ?? '', Object.fromEntries(values)] as const;
    }),
  );
}

/** The value of a property; `undefined` where it is removed. */
function propertyOf(at: XmlElement, { fault }: DomainRemarks): string | boolean | undefined {
  const value = at.attributes.get('value') ?? '';
  const type = at.attributes.get('type') ?? '';
  if (type === 'remove') return undefined;
  if (type === 'bool' && /^(?:true|yes|false|no)$/.test(value)) return value === 'true' || value === 'yes';
  if (type === 'string' || (/^(?:un)?signed$/.test(type) && /^-?\d{1,20}$/.test(value))) return value;
  return fault(at, `<${at.name}> holds ${quoted(value)}, which is no ${type.slice(0, 64) || 'value of any type'}`);
}

function argumentsOf({ at, name, says }: DomainOption, overrides: ReadonlyMap<string, Values>): Argument[] {
  const place = { index: 0, line: at.line, column: at.column, element: at.name };
  const option = { ...place, text: `-${name}` };
  if (typeof says === 'string') {
    const value = { ...place, text: says };
    return name === WRITTEN ? [value] : says === '' ? [option] : [option, value];
  }
  const override = name === 'device' ? overrides.get(String(says['id'])) : undefined;
  return [option, { ...place, text: JSON.stringify({ ...says, ...override }) }];
}
