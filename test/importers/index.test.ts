import { describe, expect, test } from 'vitest';
import { ImportError } from '../../src/importers/import-error.ts';
import { type Format, formats, importDocument, importDocuments, sniffFormat } from '../../src/importers/index.ts';

const DOMAIN = "<domain type='kvm'><memory unit='GiB'>1</memory></domain>";
const VMI =
  'apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nspec: {domain: {memory: {guest: 1Gi}, devices: {autoattachMemBalloon: false}}}\n';
const ARGV = 'qemu-system-x86_64 -accel kvm -m 1G -nodefaults';

const DOCUMENTS: Readonly<Record<Format, string>> = {
  descriptor: '{"vm": {"accel": "kvm", "memory": "1GiB", "vfio": []}, "source": {}}',
  kubevirt: VMI,
  'libvirt-xml': DOMAIN,
  'qemu-argv': ARGV,
};

describe('every format', () => {
  test.each(formats)('%s', (format) => {
    const { descriptor, notes } = importDocument(format, DOCUMENTS[format]);
    expect(descriptor).toMatchObject({ vm: { accel: 'kvm', memory: '1GiB', vfio: [] }, source: {} });
    expect(notes).toStrictEqual([]);
  });

  test.each(formats.flatMap((format) => ['', '\u0000', '{', '[]', '"'].map((text) => [format, text] as const)))(
    '%s refuses %j, and fails in no other way',
    (format, text) => {
      expect(() => importDocument(format, text)).toThrow(ImportError);
    },
  );
});

describe('descriptors', () => {
  test('several in an array', () => {
    expect(importDocuments('descriptor', `[${DOCUMENTS.descriptor}, {}]`)).toHaveLength(2);
    expect(() => importDocument('descriptor', '[{}, {}]')).toThrow('a second VM: send one at a time');
    // What is wrong with the first nobody looks at.
    expect(() => importDocument('descriptor', '[1, {}]')).toThrow('a second VM: send one at a time');
  });

  test.each(['null', '1', '[null]', '{"vm"'])('none in %s', (text) => {
    expect(() => importDocuments('descriptor', text)).toThrow(ImportError);
  });
});

describe('what a document looks like', () => {
  test.each<[text: string, format: Format | undefined]>([
    [DOMAIN, 'libvirt-xml'],
    [`\uFEFF\n ${DOMAIN}`, 'libvirt-xml'],
    ["<?xml version='1.0'?><domstatus/>", 'libvirt-xml'],
    [VMI, 'kubevirt'],
    [`# from kubectl\n---\n${VMI}`, 'kubevirt'],
    ['kind: VirtualMachine\n"apiVersion": kubevirt.io/v1', 'kubevirt'],
    ['{"kind": "List", "apiVersion": "v1", "items": []}', 'kubevirt'],
    ['{"apiVersion": "kubevirt.io/v1", "spec', 'kubevirt'],
    ['{"vm": {}}', 'descriptor'],
    [`{"import": {"document": ${JSON.stringify('{"apiVersion": "kubevirt.io/v1"}')}}}`, 'descriptor'],
    ['{"import": {"document": {"apiVersion": "kubevirt.io/v1"}}}', 'descriptor'],
    ['{', 'descriptor'],
    ['[{"vm": {}}]', 'descriptor'],
    ['["/usr/bin/qemu-system-x86_64", "-m", "1G"]', 'qemu-argv'],
    [ARGV, 'qemu-argv'],
    ['/usr/libexec/qemu-kvm\u0000-m\u00001G\u0000', 'qemu-argv'],
    ['', undefined],
    ['name: a\nspec: {}', undefined],
    ['hello', undefined],
  ])('%j: %s', (text, format) => {
    expect(sniffFormat(text)).toBe(format);
  });
});
