import type { Argument } from './qemu-command.ts';
import type { CommandLine } from './qemu-command-line.ts';
import type { QemuOption } from './qemu-option-list.ts';
import { nameOf, type Options, type OptionValue, parseOptions, textOf } from './qemu-options.ts';
import { quoted } from './qemu-remarks.ts';

/** A device that QEMU makes. */
export interface QemuDevice extends Options {
  readonly type: string;
  readonly id: string | undefined;
  /** Its place among all devices in the order in which QEMU realizes them. */
  readonly position: number;
}

/** A device of which the rest of the command line may still change a property. */
interface Draft {
  readonly at: Argument;
  readonly values: Map<string, OptionValue>;
  readonly isJson: boolean;
}

/** Devices, and `-global` defaults for them, that one command line may have. */
const LISTED_MAX = 2048;
const GLOBALS_MAX = 256;

/**
 * Every device that the command line asks for, in the order in which QEMU realizes them: sound cards; devices in
 * key=value syntax, `-virtfs` among them; disks with `if=virtio`; devices in JSON (qemu_create_cli_devices). `-global`
 * gives defaults to them, `-set` changes those in key=value syntax.
 */
export function devicesOf(line: CommandLine): QemuDevice[] {
  const { all, remarks } = line;
  const options = line.options('device', 'virtfs', 'watchdog');
  const beyond = options[LISTED_MAX];
  if (beyond) remarks.fault(beyond.at, `more than ${LISTED_MAX} devices`);
  const listed = options.slice(0, LISTED_MAX).map((option) => draftOf(option, line));
  const drafts = [
    ...all('audio').flatMap((at) => soundCard(at, line)),
    ...listed.filter(({ isJson }) => !isJson),
    ...all('drive')
      .slice(0, LISTED_MAX)
      .flatMap((at) => virtioDisk(at, line)),
    ...listed.filter(({ isJson }) => isJson),
  ];
  applySet(listed, line);
  const globals = globalsOf(line);
  const seen = new Set<string>();
  return drafts.flatMap(({ at, values }, position): QemuDevice[] => {
    if (!values.has('driver')) remarks.fault(at, 'a device without a driver');
    const named = nameOf({ at, values }, 'driver', remarks);
    if (named === undefined) return [];
    const type = ALIASES.get(named) ?? named;
    const id = nameOf({ at, values }, 'id', remarks);
    if (id !== undefined && seen.has(id)) remarks.fault(at, `a second device with the id ${quoted(id)}`);
    seen.add(id ?? '');
    const defaults = [type, ...(PARENTS.get(type) ?? [])].flatMap((each) => [...(globals.get(each) ?? [])]);
    return [{ at, type, id, position, values: new Map([...defaults, ...values]) }];
  });
}

const draft = (at: Argument, values: Iterable<readonly [string, OptionValue]>): Draft => ({
  at,
  values: new Map(values),
  isJson: false,
});

/** A `-device`, or the device that another option stands for. */
function draftOf({ name, at }: QemuOption, { remarks }: CommandLine): Draft {
  if (name === 'watchdog') return draft(at, [['driver', at.text]]);
  if (name === 'device') {
    return { at, values: new Map(parseOptions(at, 'driver', remarks).values), isJson: at.text.startsWith('{') };
  }
  const options = parseOptions(at, 'fsdriver', remarks);
  const tag = textOf(options, 'mount_tag') ?? '';
  const path = textOf(options, 'path');
  return draft(at, [
    ['driver', 'virtio-9p-pci'],
    ['fsdev', textOf(options, 'id') ?? tag],
    ['mount_tag', tag],
    ...(path === undefined ? [] : [['fsdev.path', path] as const]),
  ]);
}

const SOUND_CARDS: ReadonlyMap<string, string> = new Map([
  ['virtio', 'virtio-sound-pci'],
  ['hda', 'intel-hda'],
  ['ac97', 'AC97'],
  ['es1370', 'ES1370'],
  ['usb-audio', 'usb-audio'],
]);

function soundCard(at: Argument, { remarks }: CommandLine): Draft[] {
  const model = textOf(parseOptions(at, 'driver', remarks), 'model') ?? '';
  const driver = SOUND_CARDS.get(model);
  return driver === undefined ? [] : [draft(at, [['driver', driver]])];
}

function virtioDisk(at: Argument, { remarks }: CommandLine): Draft[] {
  const options = parseOptions(at, undefined, remarks);
  return textOf(options, 'if') === 'virtio' ? [draft(at, [['driver', 'virtio-blk-pci']])] : [];
}

/** `-set device.ID.PROPERTY=VALUE` changes a device that stands before it. */
function applySet(devices: readonly Draft[], { all, remarks }: CommandLine): void {
  const byId = new Map(devices.filter(({ isJson }) => !isJson).map((each) => [textOf(each, 'id'), each]));
  for (const at of all('set')) {
    const [, group, id, property, value] = /^([^.]+)\.([^.]+)\.([^=]+)=(.*)$/s.exec(at.text) ?? [];
    if (group === undefined || id === undefined || property === undefined || value === undefined) {
      remarks.fault(at, `-set is ${quoted(at.text)}, not GROUP.ID.NAME=VALUE`);
      continue;
    }
    const device = group === 'device' ? byId.get(id) : undefined;
    if (device && device.at.index < at.index) device.values.set(property, value);
    else remarks.unread(`-set ${at.text}`);
  }
}

/** `-global DRIVER.PROPERTY=VALUE`, or `-global driver=…,property=…,value=…`; by driver. */
function globalsOf({ all, remarks }: CommandLine): Map<string, Map<string, OptionValue>> {
  const globals = new Map<string, Map<string, OptionValue>>();
  const beyond = all('global')[GLOBALS_MAX];
  if (beyond) remarks.fault(beyond, `more than ${GLOBALS_MAX} defaults`);
  for (const at of all('global').slice(0, GLOBALS_MAX)) {
    const short = /^([^.=,]+)\.([^=,]+)=(.*)$/s.exec(at.text)?.slice(1);
    const options = short ? undefined : parseOptions(at, undefined, remarks);
    const [driver, property, value] = short ?? ['driver', 'property', 'value'].map((key) => textOf(options, key));
    if (driver === undefined || property === undefined || value === undefined) {
      remarks.fault(at, `-global is ${quoted(at.text)}, not DRIVER.NAME=VALUE`);
      continue;
    }
    if (driver === 'migration') remarks.unread(`-global ${at.text}`);
    globals.set(driver, (globals.get(driver) ?? new Map<string, OptionValue>()).set(property, value));
  }
  return globals;
}

/** Types whose `-global` defaults a type takes over. */
const PARENTS: ReadonlyMap<string, readonly string[]> = new Map([
  ['vfio-pci-nohotplug', ['vfio-pci']],
  ['virtio-iommu-pci', ['virtio-iommu-device']],
]);

/** What QEMU takes a short name for, on a machine with PCI. */
const ALIASES: ReadonlyMap<string, string> = new Map(
  '9p balloon blk gpu gpu-gl input-host iommu keyboard mouse net rng scsi serial sound tablet'
    .split(' ')
    .map((name) => [`virtio-${name}`, `virtio-${name}-pci`]),
);
