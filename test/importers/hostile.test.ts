import { describe, expect, test } from 'vitest';
import { type Format, importDocuments } from '../../src/importers/index.ts';
import { ImportError } from '../../src/importers/import-error.ts';

const fill = (part: string, length: number): string => part.repeat(Math.floor(length / part.length));
const numbered = (part: (index: number) => string, length: number): string =>
  Array.from({ length: Math.floor(length / part(0).length) }, (_, index) => part(index)).join('');

const domain = (devices: string, more = ''): string =>
  `<domain><memory unit='GiB'>4</memory>${more}<devices>${devices}</devices></domain>`;
const vmi = (devices: string): string =>
  `apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nspec:\n  domain:\n    memory: {guest: 1Gi}\n    devices:\n${devices}`;

/** Texts of about `length` characters that cost as much as their kind can. */
const HOSTILE: readonly (readonly [what: string, format: Format, text: (length: number) => string])[] = [
  ['elements left open', 'libvirt-xml', (n) => fill('<a>', n)],
  ['elements in elements', 'libvirt-xml', (n) => fill('<a>', n / 2) + fill('</a>', n / 2)],
  ['attributes', 'libvirt-xml', (n) => `<domain ${numbered((index) => `a${index}='' `, n)}/>`],
  ['open comments', 'libvirt-xml', (n) => `<domain>${fill('<!--', n)}`],
  ['open CDATA', 'libvirt-xml', (n) => `<domain>${fill('<![CDATA[', n)}`],
  ['open quotes', 'libvirt-xml', (n) => `<domain a='${fill('<', n)}`],
  ['entities', 'libvirt-xml', (n) => `<!DOCTYPE a [<!ENTITY a "${fill('&b;', n)}">]><domain>&a;</domain>`],
  ['character references', 'libvirt-xml', (n) => `<domain><name>${fill('&#65;', n)}</name></domain>`],
  ['empty lines', 'libvirt-xml', (n) => fill('\n', n) + domain('')],
  ['display adapters', 'libvirt-xml', (n) => domain(fill('<video/>', n))],
  [
    'memory devices and as much that backs them',
    'libvirt-xml',
    (n) =>
      domain(
        fill("<memory model='dimm'><target><size>1</size></target></memory>", n / 2),
        `<memoryBacking>${fill('<a/>', n / 2)}</memoryBacking>`,
      ),
  ],
  [
    'devices of the host',
    'libvirt-xml',
    (n) => domain(fill("<hostdev type='pci'><source><address/></source></hostdev>", n)),
  ],
  ['aliases', 'libvirt-xml', (n) => domain(numbered((index) => `<rng><alias name='r${index}'/></rng>`, n))],
  ['backing images', 'libvirt-xml', (n) => domain(fill("<disk><source/><target bus='virtio'/></disk>", n))],
  ['NUMA nodes', 'libvirt-xml', (n) => `<domain><cpu><numa>${fill("<cell memory='1'/>", n)}</numa></cpu></domain>`],
  ['domains', 'libvirt-xml', (n) => `<a>${fill('<domain><memory>1</memory></domain>', n)}</a>`],
  [
    'arguments',
    'libvirt-xml',
    (n) => domain('', `<qemu:commandline>${fill("<qemu:arg value='-S'/>", n)}</qemu:commandline>`),
  ],
  ['brackets', 'kubevirt', (n) => fill('[', n)],
  ['braces', 'kubevirt', (n) => fill('{', n)],
  ['dashes', 'kubevirt', (n) => fill('- ', n)],
  ['question marks', 'kubevirt', (n) => fill('? ', n)],
  ['quotes', 'kubevirt', (n) => fill('"', n)],
  ['indentation', 'kubevirt', (n) => numbered((index) => `${' '.repeat(index % 1000)}a:\n`, n)],
  ['anchors', 'kubevirt', (n) => fill('&a ', n)],
  ['aliases', 'kubevirt', (n) => `a: &a b\n${fill('- *a\n', n)}`],
  [
    'aliases of aliases',
    'kubevirt',
    (n) => `a0: &a0 [x, x]\n${numbered((index) => `a${index + 1}: &a${index + 1} [*a${index}, *a${index}]\n`, n)}`,
  ],
  ['keys', 'kubevirt', (n) => numbered((index) => `a${index}: 1\n`, n)],
  ['documents', 'kubevirt', (n) => fill('---\n', n)],
  ['comments', 'kubevirt', (n) => fill('#\n', n)],
  [
    'disks',
    'kubevirt',
    (n) => vmi(`      disks:\n${numbered((index) => `      - {name: d${index}, disk: {bus: virtio}}\n`, n)}`),
  ],
  ['digits', 'kubevirt', (n) => vmi('').replace('1Gi', fill('9', n))],
  ['devices', 'qemu-argv', (n) => `qemu-system-x86_64 ${fill('-device edu ', n)}`],
  ['commas', 'qemu-argv', (n) => `qemu-system-x86_64 -device edu${fill(',', n)}`],
  ['properties', 'qemu-argv', (n) => `qemu-system-x86_64 -device edu${numbered((index) => `,a${index}=b`, n)}`],
  ['open JSON', 'qemu-argv', (n) => `qemu-system-x86_64 -device '${fill('{"a":', n)}'`],
  ['backslashes', 'qemu-argv', (n) => `qemu-system-x86_64 ${fill('\\', n)}`],
  ['an array', 'qemu-argv', (n) => `[${fill('"-S",', n)}"qemu-kvm"]`],
  ['arrays in arrays', 'qemu-argv', (n) => fill('[', n)],
  ['objects', 'descriptor', (n) => fill('{"a":', n)],
];

/** Milliseconds of processor time that `text` takes. */
function cost(format: Format, text: string): number {
  const before = process.cpuUsage();
  try {
    importDocuments(format, text);
  } catch (error) {
    expect(error).toBeInstanceOf(ImportError);
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe('documents made to be costly', () => {
  test.each(HOSTILE)('%s (%s) cost as much as there are', (_what, format, text) => {
    const [small, large] = [text(1 << 14), text(1 << 16)];
    const isLinear = (): boolean => cost(format, large) < 12 * cost(format, small) + 50;
    // What is collected meanwhile, or compiled, is not theirs.
    expect(isLinear() || isLinear() || isLinear()).toBe(true);
  });

  test.each(HOSTILE)('%s (%s), as many as may be sent', (_what, format, text) => {
    expect(cost(format, text((1 << 20) - 1000))).toBeLessThan(5000);
  });
});
