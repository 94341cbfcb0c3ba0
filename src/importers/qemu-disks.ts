import type { VmDescriptor } from '../descriptor/schema.ts';
import type { CommandLine } from './qemu-command-line.ts';
import { IMAGE } from './qemu-option-list.ts';
import { type Options, parseOptions, textOf } from './qemu-options.ts';

type Disk = NonNullable<VmDescriptor['disks']>[number];

/** Drivers that read an image format; any other reads or writes bytes as they are. */
const FORMATS: ReadonlySet<string> = new Set(
  'raw qcow2 qcow qed vdi vhdx vmdk vpc parallels luks bochs cloop dmg'.split(' '),
);

/** How QEMU's names for the nodes that it names itself begin; random digits follow. */
const UNNAMED = '#block';

/** Disks that a descriptor may list. */
const DISKS_MAX = 1024;

/** The longest name of a node. */
const NODE_MAX = 256;

/** The image formats in use, in the order in which QEMU opens them: `-blockdev` first. */
export function disksOf(line: CommandLine): VmDescriptor['disks'] {
  const { all, remarks } = line;
  const disks = [
    ...all('blockdev').flatMap((at) => nodesOf(parseOptions(at, 'driver', remarks), '')),
    ...all('drive').flatMap((at) => driveNodes(parseOptions(at, undefined, remarks), line)),
    ...all('hda', 'hdb', 'hdc', 'hdd', 'cdrom', 'fda', 'fdb', 'sd', 'pflash', 'mtdblock', IMAGE).flatMap((at) =>
      driveNodes({ at, values: new Map([['file', at.text]]) }, line),
    ),
  ];
  const beyond = all('drive', 'blockdev')[DISKS_MAX];
  if (disks.length > DISKS_MAX && beyond) remarks.fault(beyond, `more than ${DISKS_MAX} images`);
  return disks.length > 0 ? disks.slice(0, DISKS_MAX) : undefined;
}

/** The node at `prefix` of a `-blockdev` whose members are in dotted keys; what it reads from comes first. */
function nodesOf(options: Options, prefix: string): Disk[] {
  const driver = textOf(options, `${prefix}driver`);
  if (driver === undefined) return [];
  const node = (textOf(options, `${prefix}node-name`) ?? UNNAMED).slice(0, NODE_MAX);
  const below = ['file', 'backing', 'data-file'].flatMap((child) => nodesOf(options, `${prefix}${child}.`));
  if (driver === 'vvfat') return [...below, ...vvfatNodes(node, isOn(options, `${prefix}rw`))];
  return FORMATS.has(driver) ? [...below, { node: node || UNNAMED, format: driver }] : below;
}

const isOn = (options: Options, key: string): boolean =>
  ['on', 'yes', 'true', 'y'].includes(textOf(options, key) ?? '');

/** A directory that the guest may write to as a FAT disk: QEMU puts a qcow in front of it. */
const vvfatNodes = (node: string, isWritable: boolean): Disk[] =>
  isWritable
    ? [
        { node: UNNAMED, format: 'qcow' },
        { node, format: 'vvfat' },
      ]
    : [];

/** Of a `-drive`; its format is guessed by QEMU where none is given. */
function driveNodes(options: Options, line: CommandLine): Disk[] {
  const file = textOf(options, 'file') ?? textOf(options, 'file.filename') ?? '';
  const format = textOf(options, 'format') ?? textOf(options, 'driver');
  const node = (textOf(options, 'node-name') ?? UNNAMED).slice(0, NODE_MAX) || UNNAMED;
  const isFat = file.startsWith('fat:') || format === 'vvfat';
  const below = isFat
    ? vvfatNodes(format === 'vvfat' ? node : UNNAMED, file.includes(':rw:') || isOn(options, 'rw'))
    : nodesOf(options, 'file.');
  if (format !== undefined && FORMATS.has(format)) return [...below, { node, format }];
  if (format === undefined && file !== '' && !isFat)
    line.remarks.unread('the format of an image that QEMU is to guess');
  return below;
}
