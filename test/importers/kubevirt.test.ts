import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { check } from '../../src/descriptor/check.ts';
import { type Descriptor, descriptor } from '../../src/descriptor/schema.ts';
import { ImportError, type ImportFault } from '../../src/importers/import-error.ts';
import type { Imported } from '../../src/importers/imported.ts';
import { importDocument, importDocuments } from '../../src/importers/index.ts';
import { bytesOfQuantity } from '../../src/importers/kubevirt-object.ts';

const fixture = (name: string): string =>
  readFileSync(new URL(`../fixtures/kubevirt/${name}`, import.meta.url), 'utf8');

/** What the objects in `text` become, having checked that they are valid descriptors that JSON carries unchanged. */
function all(text: string): readonly Imported[] {
  const result = importDocuments('kubevirt', text);
  for (const each of result) {
    expect(descriptor.parse(each.descriptor)).toStrictEqual(each.descriptor);
    expect(check(each.descriptor)).toStrictEqual([]);
  }
  return result;
}

const only = (text: string): Imported => {
  const [first] = all(text);
  return first ?? expect.unreachable('no object');
};

function faultsOf(text: string): readonly ImportFault[] {
  try {
    importDocument('kubevirt', text);
  } catch (error) {
    expect(error).toBeInstanceOf(ImportError);
    return (error as ImportError).faults;
  }
  return [];
}

/** A machine of 1 GiB whose domain has `domain`, written in one line, besides. */
const vmi = (domain: string, rest = ''): string =>
  `apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nmetadata: {name: a}\nspec:\n  domain:\n    memory: {guest: 1Gi}\n    ${domain}\n${rest}`;

describe('whole objects', () => {
  test('a running instance with devices of the host', () => {
    const { descriptor: actual, notes, origins } = only(fixture('gpu-vmi.yaml'));
    expect(actual).toStrictEqual({
      state: 'running',
      vm: {
        name: 'ml_training-7',
        machine: 'pc-q35-rhel9.6.0',
        accel: 'kvm',
        memory: '64GiB',
        maxMemory: '256GiB',
        memoryBackends: [{ size: '64GiB', share: true }],
        cpu: { invtsc: true, tscFrequency: 2100000000 },
        vfio: [
          { id: 'ua-hostdevice-qat0' },
          { id: 'ua-gpu-gpu0' },
          { id: 'ua-sriov-rdma', unpluggedForMigration: true },
        ],
        otherDevices: [
          { type: 'virtio-blk-pci-non-transitional', id: 'virtio-disk0' },
          { type: 'ide-hd', id: 'sata-disk0' },
          { type: 'vhost-user-fs-pci', id: 'fs0', properties: { tag: 'datasets' } },
          {
            type: 'virtio-net-pci-non-transitional',
            id: 'net0',
            properties: { netdev: 'hostnet0', 'netdev.type': 'tap' },
          },
          { type: 'tpm-crb', id: 'tpm0', properties: { tpmdev: 'tpm-tpm0', 'tpmdev.type': 'emulator' } },
          { type: 'virtio-balloon-pci-non-transitional', id: 'balloon0' },
          { type: 'virtio-rng-pci-non-transitional', id: 'rng0' },
        ],
        hotplugged: [{ model: 'virtio-mem', size: '32GiB', blockSize: '1GiB' }],
        disks: [{ node: 'libvirt-2-format', format: 'qcow2' }],
      },
      source: {},
    } satisfies Descriptor);
    expect(notes).toStrictEqual([
      'hostDevices "qat0" (intel.com/qat) is taken for a PCI device: whether it is a mediated or a USB device only the node tells.',
      'gpus "gpu0" (nvidia.com/NVIDIA_A40-24Q) is taken for a PCI device: whether it is a mediated or a USB device only the node tells.',
      'KubeVirt’s feature gate IOMMUFD is taken to be off: with it, devices are of the backend iommufd.',
    ]);
    expect(origins).toMatchObject({ '/vm': 'line 2', '/vm/vfio/1': 'line 41', '/vm/cpu': 'line 16' });
  });

  test('a machine that is planned', () => {
    const { descriptor: actual, notes } = only(fixture('plain-vm.yaml'));
    expect(actual.state).toBe(undefined);
    expect(actual.vm).toMatchObject({
      name: 'web',
      memory: '1431MiB',
      memoryBackends: [{ size: '1431MiB', share: true }],
      vfio: [],
      disks: [{ node: 'libvirt-1-format', format: 'qcow2' }],
    });
    expect(actual.vm).not.toHaveProperty('machine');
    expect(actual.vm).not.toHaveProperty('cpu');
    expect(actual.vm.otherDevices?.map(({ type }) => type)).toStrictEqual([
      'virtio-blk-pci-transitional',
      'ide-cd',
      'virtio-net-pci-transitional',
      'virtio-net-pci-transitional',
      'tpm-tis',
      'usb-tablet',
      'ich9-intel-hda',
      'hda-duplex',
      'i6300esb',
    ]);
    expect(notes).toStrictEqual([
      'cpu feature invtsc: the TSC frequency that KubeVirt adds is the node’s; taken to be set.',
      'A hook sidecar may change the domain: send its domain XML instead.',
      'The KubeVirt object holds what is not read: interface odd of a network binding plugin.',
    ]);
  });

  test('a list, in JSON', () => {
    const [sev, tdx, ...more] = all(fixture('confidential-list.json'));
    expect(more).toStrictEqual([]);
    expect(sev?.descriptor.vm).toMatchObject({ name: 'a_sev', confidential: 'sev-es', memory: '2GiB' });
    expect(tdx?.descriptor.vm).toMatchObject({
      confidential: 'tdx',
      memory: '4GiB',
      memoryBackends: [{ size: '4GiB', share: false, guestMemfd: true }],
      cpu: { hvPassthrough: true },
    });
    expect(faultsOf(fixture('confidential-list.json'))).toStrictEqual([
      { line: 18, column: 9, detail: 'a second VM: send one at a time, or all to the batch' },
    ]);
  });
});

describe('beside the domain that virt-launcher makes', () => {
  const { descriptor: ofXml } = importDocument(
    'libvirt-xml',
    readFileSync(new URL('../fixtures/libvirt/virt-launcher-gpu.xml', import.meta.url), 'utf8'),
  );
  const { descriptor: ofObject } = only(fixture('launched-vmi.yaml'));

  test('the machine is the same, but for ids and for what only the node tells', () => {
    const { vfio: _, otherDevices: __, disks: ___, ...same } = ofXml.vm;
    expect(ofObject.vm).toMatchObject(same);
    expect(ofObject.state).toBe(ofXml.state);
    expect(ofXml.vm.vfio).toStrictEqual([
      {
        id: 'ua-hostdevice-qat0',
        host: 'ua-hostdevice-qat0',
        backend: 'iommufd',
        iommufdObject: 'iommufd0',
        position: 8,
      },
      { id: 'ua-gpu-gpu0', type: 'mdev', host: '53764d0e-85a0-42b4-af5c-2046b460b1dc', position: 9 },
    ]);
    expect(ofObject.vm.vfio).toStrictEqual([{ id: 'ua-hostdevice-qat0' }, { id: 'ua-gpu-gpu0' }]);
  });

  test('its devices are the same, but for ports and adapters', () => {
    const types = ({ vm }: Descriptor): string[] => (vm.otherDevices ?? []).map(({ type }) => type);
    const adapters = [
      'virtio-scsi-pci-non-transitional',
      'virtio-serial-pci-non-transitional',
      'virtserialport',
      'VGA',
    ];
    expect(types(ofObject)).toStrictEqual(types(ofXml).filter((type) => !adapters.includes(type)));
  });
});

describe('parts of an object', () => {
  test.each<[domain: string, vm: object]>([
    ['machine: {type: pc-q35-10.1}', { machine: 'pc-q35-10.1' }],
    ['launchSecurity: {sev: {}}', { confidential: 'sev' }],
    ['launchSecurity: {snp: {}}', { confidential: 'sev-snp' }],
    ['launchSecurity: {}', {}],
    ['cpu: {model: EPYC, features: [{name: invtsc, policy: disable}]}', { cpu: { invtsc: false } }],
    ['features: {hypervPassthrough: {enabled: false}}', {}],
    ['devices: {tpm: {enabled: false}}', {}],
    [
      'devices: {autoattachVSOCK: true}',
      { otherDevices: [BALLOON(), { type: 'vhost-vsock-pci-non-transitional', id: 'vsock0' }] },
    ],
    ['devices: {filesystems: [{name: a, virtiofs: {}}]}', { memoryBackends: [{ size: '1GiB', share: true }] }],
    ['devices: {interfaces: [{name: a, sriov: {}}]}', { vfio: [{ id: 'ua-sriov-a', unpluggedForMigration: true }] }],
    ['devices: null', {}],
  ])('%s', (domain, vm) => {
    const base = { accel: 'kvm', memory: '1GiB', memoryBackends: [{ size: '1GiB', share: false }], vfio: [] };
    expect(only(vmi(domain)).descriptor.vm).toMatchObject({ ...base, ...vm });
  });

  function BALLOON(): object {
    return { type: 'virtio-balloon-pci-non-transitional', id: 'balloon0' };
  }

  test('no more than KubeVirt says: the machine of a plain instance', () => {
    expect(only(vmi('devices: {autoattachMemBalloon: false}')).descriptor.vm).toStrictEqual({
      name: 'a',
      accel: 'kvm',
      memory: '1GiB',
      memoryBackends: [{ size: '1GiB', share: false }],
      vfio: [],
    });
  });

  test.each([
    ['memory: {guest: 3Gi}\n    resources: {requests: {memory: 1Gi}, limits: {memory: 2Gi}}', '3GiB'],
    ['resources: {requests: {memory: 1Gi}, limits: {memory: 2Gi}}', '1GiB'],
    ['resources: {limits: {memory: 2Gi}}', '2GiB'],
    ['memory: {hugepages: {pageSize: 2Mi}}\n    resources: {requests: {memory: 1Gi}}', '1GiB'],
  ])('memory of %s', (memory, size) => {
    expect(only(vmi('').replace('memory: {guest: 1Gi}', memory)).descriptor.vm.memory).toBe(size);
  });

  test.each([
    ['1Gi', 1n << 30n],
    ['1.5Gi', 3n << 29n],
    ['0.1Ki', 103n],
    ['512M', 512_000_000n],
    ['1k', 1000n],
    ['128974848', 128_974_848n],
    ['129e6', 129_000_000n],
    ['128974848000m', 128_974_848n],
    ['1500m', 2n],
    ['+2Ti', 2n << 40n],
    ['16Ei', 16n << 60n],
    ['', undefined],
    ['-1Gi', undefined],
    ['1GiB', undefined],
    ['1 Gi', undefined],
    ['Gi', undefined],
    ['1e999', undefined],
  ])('the quantity %s', (text, bytes) => {
    expect(bytesOfQuantity(text)).toBe(bytes);
  });

  test('a flow of one line, an alias and JSON say the same', () => {
    const block = only(vmi('devices: {gpus: [{name: a}, {name: b}]}'));
    const aliased = vmi('cpu: {features: &f []}\n    devices: {gpus: [&g {name: a}, {name: b}], hostDevices: *f}');
    const json = JSON.stringify({
      kind: 'VirtualMachineInstance',
      apiVersion: 'kubevirt.io/v1alpha3',
      metadata: { name: 'a' },
      spec: { domain: { memory: { guest: '1Gi' }, devices: { gpus: [{ name: 'a' }, { name: 'b' }] } } },
    });
    expect(only(aliased).descriptor).toStrictEqual(block.descriptor);
    expect(only(json).descriptor).toStrictEqual(block.descriptor);
  });
});

describe('faults', () => {
  test.each<[what: string, text: string, line: number, words: string]>([
    ['nothing', '', 1, 'no value'],
    ['a comment', '# a', 1, 'no value'],
    ['no object', '- 1', 1, 'apiVersion is nothing, not one of kubevirt.io'],
    ['another API', '\napiVersion: apps/v1\nkind: Deployment', 2, 'apiVersion is "apps/v1", not one of kubevirt.io'],
    ['another kind', 'apiVersion: kubevirt.io/v1\nkind: KubeVirt', 2, 'kind is "KubeVirt", not VirtualMachine or'],
    ['no domain', 'apiVersion: kubevirt.io/v1\nkind: VirtualMachineInstance\nspec: {}', 1, 'no spec.domain'],
    ['no memory', vmi('').replace('memory: {guest: 1Gi}', 'cpu: {}'), 6, 'neither memory.guest nor resources'],
    [
      'memory of an instance type',
      'apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nspec:\n  instancetype: {name: u1.medium}\n  template:\n    spec:\n      domain: {}',
      7,
      'its memory is in the instance type "u1.medium": send the VirtualMachineInstance',
    ],
    ['no quantity', vmi('resources: {}').replace('1Gi', '1GB'), 6, '"1GB" is no quantity of memory such as 16Gi'],
    ['2^64 bytes', vmi('').replace('1Gi', '16Ei'), 6, '<memory> is more than 2^64 − 1 bytes'],
    ['no list', vmi('devices: {gpus: {name: a}}'), 7, 'gpus is no list'],
    ['no objects in it', vmi('devices: {gpus: [a]}'), 7, 'gpus holds what is no object'],
    ['no name', vmi('devices: {gpus: [{deviceName: a}]}'), 7, 'gpus holds one without a name that QEMU could take'],
    ['a name twice', vmi('devices: {gpus: [{name: a}, {name: a}]}'), 7, 'a second device called "ua-gpu-a"'],
    ['no text', vmi('machine: {type: 1}'), 7, 'type is no text'],
    ['neither true nor false', vmi('devices: {autoattachMemBalloon: no}'), 7, 'neither true nor false'],
    ['a key twice', vmi('cpu: {}\n    cpu: {}'), 8, 'the key "cpu" stands twice'],
    ['a merge key', vmi('cpu: {<<: {}}'), 7, 'merge keys are not read'],
    ['two documents', `${vmi('')}---\n${vmi('')}`, 8, 'a second document; send one at a time, or a List'],
    ['no YAML', vmi('cpu: {'), 8, 'not well-formed YAML'],
  ])('%s', (_what, text, line, words) => {
    const [first] = faultsOf(text);
    expect(first).toMatchObject({ line, detail: expect.stringContaining(words) });
  });

  test('257 devices of the host', () => {
    const gpus = (count: number): string =>
      vmi(`devices: {gpus: [${Array.from({ length: count }, (_, index) => `{name: g${index}}`).join(',')}]}`);
    expect(only(gpus(256)).descriptor.vm.vfio).toHaveLength(256);
    expect(faultsOf(gpus(257))).toMatchObject([{ line: 7, detail: 'more than 256 host devices' }]);
  });
});

describe('whatever comes', () => {
  function survives(text: string): void {
    try {
      all(text);
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      expect(error.faults.length).toBeGreaterThan(0);
      for (const { line = 1, column = 1, detail } of error.faults) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(text.split(/\r\n|\n|\r/).length + 1);
        expect(column).toBeGreaterThanOrEqual(1);
        expect(detail).toMatch(/\S/);
      }
    }
  }

  const texts = fc.constantFrom(
    ...['gpu-vmi.yaml', 'plain-vm.yaml', 'launched-vmi.yaml', 'confidential-list.json'].map(fixture),
  );
  const token = fc.oneof(
    fc.constantFrom(
      ':',
      ': ',
      '- ',
      '? ',
      '[',
      ']',
      '{',
      '}',
      '&a ',
      '*a',
      '!',
      '|',
      '>',
      '"',
      "'",
      '#',
      '%',
      '---\n',
      '\n',
      '\t',
      '<<: ',
      'null',
      '-1',
      '1e9',
      '~',
      '__proto__: ',
      '\u0000',
      '\uFEFF',
    ),
    fc.string({ unit: 'binary', maxLength: 4 }),
  );

  test('any string', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 64 }), survives), { numRuns: 500 });
  });

  test('any object with parts cut out, put in and written over', () => {
    const cutting = fc.record({
      at: fc.double({ min: 0, max: 1, noNaN: true }),
      length: fc.nat({ max: 30 }),
      put: token,
    });
    const cut = fc.tuple(texts, fc.array(cutting, { minLength: 1, maxLength: 4 })).map(([text, cuttings]) =>
      cuttings.reduce((yaml, { at, length, put }) => {
        const index = Math.floor(at * yaml.length);
        return yaml.slice(0, index) + put + yaml.slice(index + length);
      }, text),
    );
    fc.assert(fc.property(cut, survives), { numRuns: 1000 });
  });

  test('any object with a value exchanged for another', () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom('', '0', '-1Gi', '1e30', {}, [], [null]));
    const exchange = fc.tuple(texts, fc.nat({ max: 200 }), value).map(([text, at, put]) => {
      const lines = text.split('\n');
      const index = at % lines.length;
      lines[index] = (lines[index] ?? '').replace(/: .*/, `: ${JSON.stringify(put)}`);
      return lines.join('\n');
    });
    fc.assert(fc.property(exchange, survives), { numRuns: 1000 });
  });
});
