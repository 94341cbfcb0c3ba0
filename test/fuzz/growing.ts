import {
  envelopeExamples,
  examples,
  exampleXml,
  placementExamples,
  simulationExamples,
} from '../../src/http/examples.ts';
import type { Entrance, Input } from './inputs.ts';

const listed = (part: (index: number) => string, length: number): string => {
  const parts: string[] = [];
  for (let index = 0, sum = 0; sum < length; index++) {
    const each = part(index);
    parts.push(each);
    sum += each.length + 1;
  }
  return parts.join(',');
};
const repeated = (part: string, length: number): string => part.repeat(Math.ceil(length / part.length));

const unknown = examples['unknown']?.request;
const HOST = JSON.stringify(examples['domain-switch']?.request.source);
const VFIO = '{"id":"dev0","host":"0000:3b:00.1","guestDomain":"dma"';

/** A descriptor with more in its VM, its device, its host or beside them. */
const descriptor = (more: { vm?: string; device?: string; host?: string; rest?: string }): string =>
  `{"vm":{"machine":"pc-q35-10.2","memory":"4GiB","viommu":{"model":"intel"},"vfio":[${VFIO}${more.device ?? ''}}]` +
  `${more.vm ?? ''}},"source":${HOST.slice(0, -1)}${more.host ?? ''}}${more.rest ?? ''}}`;

/** An envelope with more beside its document. */
const envelope = (document: string, rest: string): string =>
  `{"import":{"document":${JSON.stringify(document)}},"source":{"qemu":"10.2.2"}${rest}}`;

const hostdev = (index: number): string =>
  `<hostdev type='pci'><source><address domain='0' bus='${index >> 5}' slot='${index & 31}' function='0'/></source></hostdev>`;
const fullDomain = exampleXml.replace(
  '</devices>',
  `${Array.from({ length: 200 }, (_, index) => hostdev(index)).join('')}</devices>`,
);

const placement = JSON.stringify(placementExamples['three-hosts']?.request);
const simulation = JSON.stringify(simulationExamples['stale-mapping']?.request);
const enveloped = JSON.stringify(envelopeExamples['envelope']?.request);

const hex = (value: number): string => `0x${value.toString(16)}`;
const run = (index: number): string => `{"iova":"${hex(index * 0x4000)}","pageSize":4096,"count":2}`;

/** Bodies of about `length` bytes that cost as much as their kind can, by what there is much of in them. */
export const GROWING: readonly (readonly [what: string, entrance: Entrance, text: (length: number) => string])[] = [
  ['brackets', 'descriptor', (n) => repeated('[', n)],
  ['lists in lists', 'descriptor', (n) => descriptor({ rest: `,"a":${repeated('[', n / 2)}${repeated(']', n / 2)}` })],
  ['objects in objects', 'descriptor', (n) => `${repeated('{"vm":', n)}1${repeated('}', n / 6)}`],
  [
    'one member, again and again',
    'descriptor',
    (n) => descriptor({ rest: `,${listed(() => '"state":"running"', n)}` }),
  ],
  [
    'members that there are not',
    'descriptor',
    (n) => descriptor({ vm: `,${listed((index) => `"viomu${index}":1`, n)}` }),
  ],
  ['the name of a member', 'descriptor', (n) => descriptor({ vm: `,"${repeated('viommu', n)}":1` })],
  ['__proto__', 'descriptor', (n) => descriptor({ vm: `,${listed(() => '"__proto__":{"memory":1}', n)}` })],
  ['devices', 'descriptor', (n) => `{"vm":{"memory":1,"vfio":[${listed(() => '{}', n)}]},"source":{}}`],
  [
    'devices that are none',
    'descriptor',
    (n) => `{"vm":{"memory":1,"vfio":[${listed(() => '{"x":[]}', n)}]},"source":{}}`,
  ],
  ['mappings', 'descriptor', (n) => descriptor({ device: `,"mappings":[${listed(run, n)}]` })],
  [
    'mappings backwards',
    'descriptor',
    (n) => descriptor({ device: `,"mappings":[${listed((index) => run(100_000 - index), n)}]` }),
  ],
  [
    'mappings over one another',
    'descriptor',
    (n) => descriptor({ device: `,"mappings":[${listed(() => run(1), n)}]` }),
  ],
  [
    'facts of devices that there are not',
    'descriptor',
    (n) =>
      `{"vm":{"memory":1,"vfio":[${listed((index) => `{"id":"device${index}"}`, Math.min(n / 2, 5000))}]},"source":{"devices":{${listed((index) => `"devise${index}":{}`, n / 2)}}}}`,
  ],
  [
    'blocked reasons',
    'descriptor',
    (n) =>
      descriptor({
        vm: `,"runtime":{"blockedReasons":[${listed((index) => `"0000:3b:00.1: ${repeated(`${index} `, 3900)}"`, n)}]}`,
      }),
  ],
  [
    'short blocked reasons',
    'descriptor',
    (n) =>
      descriptor({
        vm: `,"runtime":{"blockedReasons":[${listed((index) => `"reason ${index}"`, Math.min(n, 3000))}]}`,
      }),
  ],
  [
    'other devices',
    'descriptor',
    (n) =>
      descriptor({
        vm: `,"otherDevices":[${listed((index) => `{"type":"nvme","id":"n${index}"}`, Math.min(n, 30_000))}]`,
      }),
  ],
  [
    'properties',
    'descriptor',
    (n) =>
      descriptor({
        vm: `,"otherDevices":[{"type":"nvme","properties":{${listed((index) => `"p${index}":${index}`, n)}}}]`,
      }),
  ],
  [
    'disks',
    'descriptor',
    (n) =>
      descriptor({
        vm: `,"disks":[${listed((index) => `{"node":"d${index}","format":"qcow2"}`, Math.min(n, 30_000))}]`,
      }),
  ],
  ['digits', 'descriptor', (n) => descriptor({ rest: `,"closed":${repeated('9', n)}` })],
  ['escapes', 'descriptor', (n) => descriptor({ rest: `,"ref":"${repeated('\\u0000', n)}"` })],
  ['blanks', 'descriptor', (n) => `${repeated(' ', n)}{}`],
  ['lines', 'descriptor', (n) => `${repeated('\n', n)}{`],
  [
    'candidates',
    'placements',
    (n) =>
      placement.replace(
        '"candidates":[',
        `"candidates":[${listed((index) => `{"ref":"n${index}","host":{"qemu":"10.2.2"}}`, Math.min(n, 38_000))},`,
      ),
  ],
  [
    'candidates unlike each other',
    'placements',
    (n) =>
      placement.replace(
        '"candidates":[',
        `"candidates":[${listed((index) => `{"host":{"qemu":"10.2.2","memory":${(index + 1) * 4096}}}`, Math.min(n, 40_000))},`,
      ),
  ],
  [
    'events',
    'simulations',
    (n) =>
      simulation.replace(
        '"events":[',
        `"events":[${listed((index) => `{"type":"switch","to":"${index % 2 ? 'dma' : 'blocking'}"}`, Math.min(n, 300_000))},`,
      ),
  ],
  [
    'events that map',
    'simulations',
    (n) =>
      simulation.replace(
        '"events":[',
        `"events":[${listed((index) => `{"type":"map","mappings":[${run(index)}]}`, Math.min(n, 400_000))},`,
      ),
  ],
  [
    'overlays of devices',
    'envelope',
    (n) => envelope(fullDomain, `,"vm":{"vfio":[${listed((index) => `{"id":"hostdew${index}"}`, n)}]}`),
  ],
  [
    'overlays of one device',
    'envelope',
    (n) => envelope(exampleXml, `,"vm":{"vfio":[${listed(() => '{"id":"hostdev0","ats":"on"}', n)}]}`),
  ],
  [
    'an overlay of a long name',
    'envelope',
    (n) => envelope(fullDomain, `,"vm":{"vfio":[{"id":"${repeated('hostdev', n)}"}]}`),
  ],
  [
    'overlays of JavaScript’s names',
    'envelope',
    (n) => envelope(exampleXml, `,"vm":{${listed(() => '"__proto__":{"vfio":[]}', n)}}`),
  ],
  [
    'answers',
    'envelope',
    (n) =>
      enveloped.replace(
        '"qmp":[',
        `"qmp":[${listed((index) => `{"execute":"qom-get","arguments":{"path":"/a/hostdev0","property":"p${index}"},"return":1}`, Math.min(n, 80_000))},`,
      ),
  ],
  [
    'buses behind bridges',
    'envelope',
    (n) =>
      enveloped.replace(
        '"qmp":[',
        `"qmp":[{"execute":"query-pci","return":[{"devices":[${listed((index) => `{"qdev_id":"d${index}","pci_bridge":{"devices":[]}}`, n)}]}]},`,
      ),
  ],
  [
    'a document in a document',
    'envelope',
    (n) => `{"import":{"document":${repeated('{"import":{"document":', n)}1${repeated('}}', n / 10)}}}`,
  ],
  ['text of a document', 'envelope', (n) => envelope(repeated('<', n), '')],
  ['lines of a batch', 'batch', (n) => repeated('{}\n', n)],
  ['documents of a batch', 'batch', (n) => repeated(`${JSON.stringify(exampleXml)}\n`, n)],
  ['one VM of a batch', 'batch', (n) => repeated(`${JSON.stringify(unknown)}\n`, n)],
  ['lines without an end', 'batch', (n) => `{"ref":"${repeated('x', n)}`],
  ['open JSON', 'qemu-argv', (n) => `qemu-kvm -device {"${repeated('a', n)}`],
  ['escapes in open JSON', 'qemu-argv', (n) => `qemu-kvm -device {"${repeated('\\\\', n)}`],
  ['slashes', 'qemu-argv', (n) => `qemu-kvm -device vfio-pci,sysfsdev=${repeated('/', n)}x`],
  ['an argument', 'qemu-argv', (n) => `qemu-kvm -m 1G -name ${repeated('a', n)}`],
  ['parts of an argument', 'qemu-argv', (n) => `qemu-kvm -m 1G -device edu,a=${repeated('a,,', n)}`],
  ['words before QEMU', 'qemu-argv', (n) => `${repeated('A=b ', n)}qemu-kvm -m 1G`],
  [
    'log lines',
    'qemu-argv',
    (n) => repeated('2026-01-01 00:00:00: starting up libvirt version: 1, qemu version: 1.1, \n', n),
  ],
  ['blanks of a log', 'qemu-argv', (n) => `2026-01-01 ${repeated(': starting up libvirt version: ', n)}`],
  ['-set', 'qemu-argv', (n) => `qemu-kvm -m 1G -device edu,id=e ${repeated('-set device.e.a=b ', n)}`],
  ['options that there are not', 'qemu-argv', (n) => `qemu-kvm -m 1G ${repeated('-x ', n)}`],
  ['NUL', 'qemu-argv', (n) => `qemu-kvm\0${repeated('\0', n)}`],
  ['attributes', 'libvirt-xml', (n) => `<domain ${listed((index) => `a${index}=''`, n).replaceAll(',', ' ')}/>`],
  ['an attribute', 'libvirt-xml', (n) => `<domain><memory unit='${repeated('a', n)}'>1</memory></domain>`],
  ['open quotes', 'libvirt-xml', (n) => `<domain ${repeated(`a="`, n)}`],
  ['quotes', 'libvirt-xml', (n) => `<domain ${repeated(`"'`, n)}`],
  ['tags left open', 'libvirt-xml', (n) => repeated('<a ', n)],
  ['references', 'libvirt-xml', (n) => `<domain><name>${repeated('&amp;', n)}</name></domain>`],
  ['characters of two', 'libvirt-xml', (n) => `<domain><name>${repeated('😀', n)}</name></domain>`],
  ['digits of memory', 'libvirt-xml', (n) => `<domain><memory>${repeated('9', n)}</memory></domain>`],
  [
    'digits of an alias',
    'libvirt-xml',
    (n) => exampleXml.replace('</hostdev>', `<alias name='a${repeated('1', n)}'/></hostdev>`),
  ],
  ['apiVersion', 'kubevirt', (n) => repeated('apiVersion \n', n)],
  ['a scalar', 'kubevirt', (n) => `apiVersion: ${repeated('v', n)}`],
  ['lines of a scalar', 'kubevirt', (n) => `apiVersion: |\n${repeated(' a\n', n)}`],
  ['folded lines', 'kubevirt', (n) => `apiVersion: "${repeated('\\\n', n)}"`],
  ['flow pairs', 'kubevirt', (n) => `a: {${listed((index) => `b${index}: c`, n)}}`],
  ['tags', 'kubevirt', (n) => `a: ${repeated('!b ', n)}`],
];

const TYPES: Readonly<Partial<Record<Entrance, string>>> = {
  'libvirt-xml': 'application/xml',
  'qemu-argv': 'text/x-qemu-argv',
  kubevirt: 'application/yaml',
  batch: 'application/x-ndjson',
};

/** `text` as it is sent. */
export const sent = (entrance: Entrance, text: string): Input => ({
  seed: 0,
  entrance,
  bytes: Buffer.from(text),
  type: TYPES[entrance] ?? 'application/json',
  query: '',
  isImport: false,
  isSearched: false,
  isBroken: false,
});
