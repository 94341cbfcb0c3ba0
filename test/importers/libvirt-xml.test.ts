import { isDeepStrictEqual } from 'node:util';
import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { check } from '../../src/descriptor/check.ts';
import { parseSize } from '../../src/descriptor/quantities.ts';
import { type Descriptor, descriptor } from '../../src/descriptor/schema.ts';
import { ImportError, type ImportFault } from '../../src/importers/import-error.ts';
import type { Imported } from '../../src/importers/imported.ts';
import { importDocument, importDocuments } from '../../src/importers/index.ts';

const FIXTURES = new URL('../fixtures/libvirt/', import.meta.url);
const names = readdirSync(FIXTURES).toSorted();
const fixture = (name: string): string => readFileSync(new URL(name, FIXTURES), 'utf8');

/** What a domain becomes, having checked that it is a valid descriptor that JSON carries unchanged. */
function imported(xml: string): Imported {
  const result = importDocument('libvirt-xml', xml);
  const same = (value: unknown, other: unknown): void => {
    // Vitest takes a device called "constructor" for the type of the object that lists it.
    if (!isDeepStrictEqual(value, other)) expect(value).toStrictEqual(other);
  };
  same(descriptor.parse(result.descriptor), result.descriptor);
  expect(check(result.descriptor)).toStrictEqual([]);
  same(JSON.parse(JSON.stringify(result)), result);
  return result;
}

function faultsOf(xml: string): readonly ImportFault[] {
  try {
    importDocuments('libvirt-xml', xml);
  } catch (error) {
    expect(error).toBeInstanceOf(ImportError);
    return (error as ImportError).faults;
  }
  return [];
}

/** A domain of 1 GiB; `elements` are its own, `devices` those in `<devices>`. */
const domain = (elements: string, devices = ''): string =>
  `<domain type='kvm'><memory unit='GiB'>1</memory>${elements}<devices>${devices}</devices></domain>`;

const PCI_SOURCE = `<source><address domain='0x0000' bus='0x3b' slot='0x00' function='0x1'/></source>`;
const hostdev = (content: string): string => `<hostdev mode='subsystem' type='pci'>${PCI_SOURCE}${content}</hostdev>`;

const FIXTURE_DESCRIPTORS: Record<string, Descriptor> = {
  'amd-snp.xml': {
    vm: {
      name: 'confidential <1>',
      machine: 'pc-q35-11.1',
      confidential: 'sev-snp',
      accel: 'kvm',
      memory: '4GiB',
      memoryBackends: [{ size: '4GiB', share: true, guestMemfd: true }],
      cpu: { invtsc: true },
      viommu: { model: 'amd', deviceIotlb: true, intremap: true, pciId: 'iommu0' },
      vfio: [{ id: 'hostdev0', host: '0000:81:00.0', position: 5 }],
      otherDevices: [
        { type: 'AMDVI-PCI', id: 'iommu0', position: 0 },
        { type: 'qemu-xhci', id: 'usb', position: 2 },
        { type: 'vhost-user-fs-pci', id: 'fs0', position: 3, properties: { tag: 'share' } },
        {
          type: 'virtio-net-pci',
          id: 'net0',
          position: 4,
          properties: { netdev: 'hostnet0', 'netdev.type': 'vhost-user' },
        },
        { type: 'ivshmem-plain', id: 'shmem0', position: 6 },
      ],
    },
    source: {},
  },
  'intel-legacy-16tib.xml': {
    state: 'running',
    vm: {
      name: 'hana-01',
      machine: 'pc-q35-11.0',
      kernelIrqchip: 'split',
      accel: 'kvm',
      memory: '16TiB',
      memoryBackends: [{ size: '16TiB', share: false }],
      cpu: { physBits: 46 },
      viommu: {
        model: 'intel',
        addressWidth: 48,
        cachingMode: true,
        deviceIotlb: false,
        eim: true,
        intremap: true,
      },
      vfio: [{ id: 'hostdev0', host: '0000:3b:00.1', position: 5, address: { bus: 'pci.5' } }],
      otherDevices: [
        {
          type: 'pcie-root-port',
          id: 'pci.1',
          path: '0000:00:02.0/pcie-root-port',
          position: 1,
          properties: { bus: 'pcie.0', addr: '0x2' },
        },
        {
          type: 'virtio-blk-pci',
          id: 'virtio-disk0',
          position: 2,
          properties: { bus: 'pci.3', addr: '0x0' },
        },
        {
          type: 'virtio-net-pci',
          id: 'net0',
          path: '0000:00:02.0:00.0/virtio-net',
          position: 3,
          properties: { netdev: 'hostnet0', bus: 'pci.1', addr: '0x0', 'netdev.type': 'tap' },
        },
        { type: 'isa-serial', id: 'serial0', position: 4 },
        {
          type: 'virtio-balloon-pci',
          id: 'balloon0',
          position: 6,
          properties: { bus: 'pci.4', addr: '0x0' },
        },
      ],
      disks: [{ node: 'libvirt-1-format', format: 'qcow2' }],
    },
    source: { devices: { hostdev0: { driver: 'mlx5_vfio_pci' } } },
  },
  'interface-failover.xml': {
    state: 'running',
    vm: {
      name: 'web-12',
      machine: 'pc-q35-8.2',
      accel: 'kvm',
      memory: '16GiB',
      memoryBackends: [{ size: '16GiB', share: false }],
      vfio: [
        {
          id: 'hostdev0',
          host: '0000:5e:02.3',
          unpluggedForMigration: true,
          address: { bus: 'pci.7' },
        },
      ],
      otherDevices: [
        {
          type: 'virtio-net-pci',
          id: 'ua-backup0',
          properties: { netdev: 'hostua-backup0', 'netdev.type': 'tap' },
        },
        { type: 'tpm-crb', id: 'tpm0', properties: { tpmdev: 'tpm-tpm0', 'tpmdev.type': 'emulator' } },
      ],
    },
    source: {},
  },
  'mdev-override.xml': {
    vm: {
      name: 'vdi-007',
      machine: 'pc-q35-9.2',
      accel: 'kvm',
      memory: '8GiB',
      memoryBackends: [{ size: '8GiB', share: false }],
      vfio: [
        {
          id: 'hostdev0',
          type: 'mdev',
          host: '4b20d080-1b54-4048-85b3-a6a62d165c01',
          enableMigration: 'on',
          deviceDirtyTracking: 'off',
          address: { bus: 'pci.6' },
        },
      ],
      otherDevices: [
        { type: 'ide-hd', id: 'sata-disk0' },
        { type: 'virtio-vga', id: 'video0' },
      ],
      disks: [{ node: 'libvirt-1-format', format: 'vmdk' }],
    },
    source: {},
  },
  'memory-devices.xml': {
    vm: {
      name: 'elastic',
      machine: 'pc-q35-10.1',
      accel: 'kvm',
      memory: '128GiB',
      maxMemory: '2TiB',
      slots: 16,
      memoryBackends: [{ size: '128GiB', share: false }],
      viommu: { model: 'intel', cachingMode: true, dmaTranslation: false },
      vfio: [{ id: 'hostdev0', host: 'hostdev0', backend: 'iommufd', iommufdObject: 'iommufd0' }],
      otherDevices: [
        {
          type: 'nvdimm',
          id: 'nvdimm0',
          properties: {
            memdev: 'memnvdimm0',
            'memdev.qom-type': 'memory-backend-ram',
            'memdev.share': true,
            'memdev.size': 6442450944,
          },
        },
      ],
      hotplugged: [
        { model: 'dimm', size: '128GiB' },
        { model: 'virtio-mem', size: '2GiB', blockSize: '2MiB' },
      ],
    },
    source: {},
  },
  'smmuv3-grace.xml': {
    vm: {
      name: 'grace-gpu',
      machine: 'virt-10.2',
      accel: 'kvm',
      memory: '457764MiB',
      memoryBackends: [{ size: '457764MiB', share: false }],
      viommu: { model: 'smmuv3', accel: true },
      vfio: [{ id: 'hostdev0', host: 'hostdev0', backend: 'iommufd', iommufdObject: 'iommufd0' }],
      otherDevices: [{ type: 'pxb-pcie', id: 'pci.1', properties: { bus_nr: 1 } }],
    },
    source: { devices: { hostdev0: { driver: 'nvgrace_gpu_vfio_pci' } } },
  },
  'status-network-pool.xml': {
    state: 'running',
    vm: {
      name: 'pool-3',
      machine: 'pc-i440fx-7.2',
      accel: 'tcg',
      memory: '2GiB',
      memoryBackends: [{ size: '2GiB', share: false }],
      cpu: { vendor: 'AuthenticAMD' },
      vfio: [
        { id: 'hostdev0', host: '0000:18:11.7' },
        { id: 'hostdev1', host: '10000:e1:00.0' },
      ],
    },
    source: { devices: { hostdev0: { driver: 'iavf_vfio_pci' } } },
  },
  'virtio-iommufd.xml': {
    vm: {
      name: 'dpdk-gateway',
      machine: 'pc-q35-10.2',
      accel: 'kvm',
      memory: '64GiB',
      memoryBackends: [
        { size: '32GiB', share: false },
        { size: '32GiB', share: false },
      ],
      viommu: { model: 'virtio', addressWidth: 48, granule: '4k' },
      vfio: [
        { id: 'ua-wan', host: 'ua-wan', backend: 'iommufd', iommufdObject: 'iommufd0', position: 1 },
        { id: 'hostdev1', host: '0001:c1:02.5', position: 3 },
      ],
      otherDevices: [{ type: 'usb-host', id: 'hostdev0', position: 2 }],
    },
    source: {},
  },
  'virt-launcher-gpu.xml': {
    state: 'running',
    vm: {
      name: 'ml_training-8',
      machine: 'pc-q35-rhel9.6.0',
      accel: 'kvm',
      memory: '64GiB',
      memoryBackends: [{ size: '64GiB', share: true }],
      cpu: { invtsc: true, tscFrequency: 2100000000 },
      vfio: [
        {
          id: 'ua-hostdevice-qat0',
          host: 'ua-hostdevice-qat0',
          backend: 'iommufd',
          iommufdObject: 'iommufd0',
          position: 8,
        },
        { id: 'ua-gpu-gpu0', type: 'mdev', host: '53764d0e-85a0-42b4-af5c-2046b460b1dc', position: 9 },
      ],
      otherDevices: [
        { type: 'virtio-scsi-pci-non-transitional', id: 'scsi0', position: 0 },
        { type: 'virtio-serial-pci-non-transitional', id: 'virtio-serial0', position: 1 },
        { type: 'virtio-blk-pci-non-transitional', id: 'ua-root', position: 2 },
        { type: 'vhost-user-fs-pci', id: 'fs0', position: 3, properties: { tag: 'datasets' } },
        {
          type: 'virtio-net-pci-non-transitional',
          id: 'ua-default',
          position: 4,
          properties: { netdev: 'hostua-default', 'netdev.type': 'tap' },
        },
        { type: 'virtserialport', id: 'channel0', position: 5 },
        {
          type: 'tpm-crb',
          id: 'tpm0',
          position: 6,
          properties: { tpmdev: 'tpm-tpm0', 'tpmdev.type': 'emulator' },
        },
        { type: 'VGA', id: 'video0', position: 7 },
        { type: 'virtio-balloon-pci-non-transitional', id: 'balloon0', position: 10 },
        { type: 'virtio-rng-pci-non-transitional', id: 'rng0', position: 11 },
      ],
      disks: [{ node: 'libvirt-1-format', format: 'qcow2' }],
    },
    source: {},
  },
};

const FIXTURE_NOTES: Record<string, string[]> = {
  'interface-failover.xml': [
    '<interface> to the network mybridge: whether it is a device of the host only a running domain tells.',
  ],
  'mdev-override.xml': ['The domain XML holds what is not read: -set device.hostdev0.x-no-mmap=on.'],
  'memory-devices.xml': ['The domain XML holds what is not read: the memory of an nvdimm.'],
  'smmuv3-grace.xml': ['The domain XML holds what is not read: arm-smmuv3 ats, arm-smmuv3 oas.'],
  'amd-snp.xml': ['The domain XML holds what is not read: amd-iommu xtsup.'],
};

describe('whole domains', () => {
  test.each(names)('%s', (name) => {
    const { descriptor: actual, notes } = imported(fixture(name));
    expect(actual).toStrictEqual(FIXTURE_DESCRIPTORS[name]);
    expect(notes).toStrictEqual(FIXTURE_NOTES[name] ?? []);
  });

  test.each(names)('%s with Windows line ends says the same', (name) => {
    expect(imported(fixture(name).replaceAll('\n', '\r\n'))).toStrictEqual(imported(fixture(name)));
  });
});

describe('memory', () => {
  test.each([
    ['<memory>4194304</memory>', '4GiB'],
    ["<memory unit='b'>1</memory>", '1MiB'],
    ["<memory unit='bytes'>1048577</memory>", '2MiB'],
    ["<memory unit='KB'>1024</memory>", '1MiB'],
    ["<memory unit='k'>1024</memory>", '1MiB'],
    ["<memory unit='kib'>1024</memory>", '1MiB'],
    ["<memory unit='MB'>1</memory>", '1MiB'],
    ["<memory unit='m'>512</memory>", '512MiB'],
    ["<memory unit='MiB'>512</memory>", '512MiB'],
    ["<memory unit='GB'>2</memory>", '1908MiB'],
    ["<memory unit='g'>2</memory>", '2GiB'],
    ["<memory unit='TB'>1</memory>", '953675MiB'],
    ["<memory unit='T'>12</memory>", '12TiB'],
    ["<memory unit='PB'>1</memory>", '953674317MiB'],
    ["<memory unit='PiB'>1</memory>", '1PiB'],
    ["<memory unit='EB'>1</memory>", '953674316407MiB'],
    ["<memory unit='E'>15</memory>", '15EiB'],
    ["<memory unit='bytes'>9223372036854710272</memory>", '8EiB'],
    ['<memory>18014398509480960</memory>', '17592186044415MiB'],
    ["<memory dumpCore='off' unit='MiB'>  <![CDATA[512]]>\n</memory>", '512MiB'],
  ])('%s is %s', (memory, size) => {
    expect(imported(`<domain>${memory}</domain>`).descriptor.vm.memory).toBe(size);
  });

  const MIB = 1n << 20n;

  const UNITS: readonly (readonly [unit: string, bytes: bigint])[] = [
    ['b', 1n],
    ['byte', 1n],
    ['KB', 1000n],
    ['K', 1024n],
    ['Mb', 1_000_000n],
    ['mIb', 1_048_576n],
    ['GB', 1_000_000_000n],
    ['GiB', 1_073_741_824n],
    ['TB', 1_000_000_000_000n],
    ['t', 1_099_511_627_776n],
    ['PB', 1_000_000_000_000_000n],
    ['P', 1_125_899_906_842_624n],
    ['EB', 1_000_000_000_000_000_000n],
    ['EiB', 1_152_921_504_606_846_976n],
  ];

  test('any amount is exact to the MiB, rounded up, or refused above 2^64 − 1', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 1n << 66n), fc.constantFrom(...UNITS), (count, [unit, bytes]) => {
        const xml = `<domain><memory unit='${unit}'>${count}</memory></domain>`;
        const whole = ((count * bytes + MIB - 1n) / MIB) * MIB;
        if (whole >= 1n << 64n) expect(faultsOf(xml)[0]?.detail).toContain('more than 2^64');
        else expect(parseSize(imported(xml).descriptor.vm.memory)).toBe(whole);
      }),
    );
  });

  test('boot RAM and the full sizes of memory devices make up the domain’s memory', () => {
    const module = fc.record({
      model: fc.constantFrom('dimm', 'virtio-mem', 'nvdimm'),
      size: fc.bigInt(0n, 1n << 44n),
    });
    fc.assert(
      fc.property(fc.bigInt(1n, 1n << 44n), fc.array(module, { maxLength: 8 }), (boot, modules) => {
        const total = modules.reduce((sum, { size }) => sum + size, boot);
        const devices = modules.map(
          ({ model, size }) =>
            `<memory model='${model}'><target><size>${size}</size><requested>7</requested></target></memory>`,
        );
        const xml = `<domain><memory>${total}</memory><devices>${devices.join('')}</devices></domain>`;
        const { memory, hotplugged = [] } = importDocument('libvirt-xml', xml).descriptor.vm;
        const rounded = (size: bigint, to: bigint): bigint => ((size * 1024n + to - 1n) / to) * to;
        expect(parseSize(memory)).toBe(rounded(boot, MIB));
        expect(hotplugged.map(({ size }) => parseSize(size))).toStrictEqual(
          modules
            .filter(({ model }) => model !== 'nvdimm')
            .map(({ model, size }) => (model === 'dimm' ? rounded(size, 2n * MIB) : 7n << 10n)),
        );
      }),
    );
  });
});

describe('VFIO devices', () => {
  test.each<[what: string, devices: string, vfio: Descriptor['vm']['vfio']]>([
    ['none', '', []],
    ['no alias: hostdev0', hostdev(''), [{ id: 'hostdev0', host: '0000:3b:00.1' }]],
    [
      'a number above those taken, devices that are not VFIO’s counted',
      `${hostdev('')}<hostdev type='usb'/>${hostdev("<alias name='hostdev4'/>")}${hostdev('')}`,
      [
        { id: 'hostdev5', host: '0000:3b:00.1', position: 0 },
        { id: 'hostdev4', host: '0000:3b:00.1', position: 2 },
        { id: 'hostdev7', host: '0000:3b:00.1', position: 3 },
      ],
    ],
    [
      'interfaces before hostdevs, wherever they stand',
      `${hostdev('')}<interface type='hostdev'><source><address type='pci' bus='0x5e'/></source></interface>`,
      [
        { id: 'hostdev0', host: '0000:5e:00.0' },
        { id: 'hostdev1', host: '0000:3b:00.1' },
      ],
    ],
    [
      'addresses in hexadecimal, octal and decimal',
      `<hostdev type='pci'><source><address domain='0xFFFF' bus='010' slot='31' function='7'/></source></hostdev>`,
      [{ id: 'hostdev0', host: 'ffff:08:1f.7' }],
    ],
    [
      'a mediated device of each model',
      ['vfio-pci', 'vfio-ap', 'vfio-ccw']
        .map((model) => `<hostdev type='mdev' model='${model}'><source><address uuid='${model}'/></source></hostdev>`)
        .join(''),
      [
        { id: 'hostdev0', type: 'mdev', host: 'vfio-pci' },
        { id: 'hostdev1', type: 'vfio-ap', host: 'vfio-ap' },
        { id: 'hostdev2', type: 'vfio-ccw', host: 'vfio-ccw' },
      ],
    ],
    [
      'teaming: the transient device is unplugged, the persistent one is not VFIO’s',
      `${hostdev("<teaming type='transient' persistent='ua-0'/>")}<interface type='network'><teaming type='persistent'/></interface>`,
      [{ id: 'hostdev0', host: '0000:3b:00.1', unpluggedForMigration: true }],
    ],
    ['an alias of its own', hostdev("<alias name='ua-Net_0.1'/>"), [{ id: 'ua-Net_0.1', host: '0000:3b:00.1' }]],
  ])('%s', (_what, devices, vfio) => {
    expect(imported(domain('', devices)).descriptor.vm.vfio).toStrictEqual(vfio);
  });

  const IOMMUFD = { backend: 'iommufd', iommufdObject: 'iommufd0' };
  const ENABLED = "<iommufd enabled='yes'/>";
  const mdev = (driver: string): string =>
    `<hostdev type='mdev' model='vfio-pci'>${driver}<source><address uuid='u'/></source></hostdev>`;
  test.each<[what: string, xml: string, backend: object]>([
    ['neither says', domain('', hostdev('')), {}],
    ['the device asks', domain('', hostdev("<driver iommufd='yes'/>")), IOMMUFD],
    ['the device declines', domain('', hostdev("<driver iommufd='no'/>")), {}],
    ['the domain asks', domain(ENABLED, hostdev('')), IOMMUFD],
    ['the domain asks, the device declines', domain(ENABLED, hostdev("<driver iommufd='no'/>")), {}],
    ['the domain declines', domain("<iommufd enabled='no'/>", hostdev('')), {}],
    [
      'the domain declines, the device asks',
      domain("<iommufd enabled='no'/>", hostdev("<driver iommufd='yes'/>")),
      IOMMUFD,
    ],
    ['the domain asks, which a mediated device ignores', domain(ENABLED, mdev('')), {}],
    ['a mediated device asks', domain('', mdev("<driver iommufd='yes'/>")), IOMMUFD],
  ])('backend: %s', (_what, xml, backend) => {
    const { backend: actual, iommufdObject } = imported(xml).descriptor.vm.vfio[0] ?? {};
    expect(JSON.parse(JSON.stringify({ backend: actual, iommufdObject }))).toStrictEqual(backend);
  });

  test('what the device is bound to', () => {
    const devices = `${hostdev("<driver name='vfio' model='qat_vfio_pci'/>")}${hostdev("<driver name='vfio'/>")}`;
    expect(imported(domain('', devices)).descriptor.source).toStrictEqual({
      devices: { hostdev0: { driver: 'qat_vfio_pci' } },
    });
  });

  const override = (alias: string, property: string, namespace = 'qemu'): string =>
    `<domain xmlns:${namespace}='http://libvirt.org/schemas/domain/qemu/1.0'><memory>1</memory><devices>${hostdev('')}</devices>` +
    `<${namespace}:override><${namespace}:device alias='${alias}'><${namespace}:frontend><${namespace}:property ${property}/>` +
    `</${namespace}:frontend></${namespace}:device></${namespace}:override></domain>`;
  test.each<[property: string, device: object]>([
    ["name='enable-migration' type='string' value='on'", { enableMigration: 'on' }],
    ["name='enable-migration' type='string' value='auto'", { enableMigration: 'auto' }],
    ["name='enable-migration' type='bool' value='false'", { enableMigration: 'off' }],
    ["name='x-device-dirty-page-tracking' type='bool' value='false'", { deviceDirtyTracking: 'off' }],
    ["name='x-device-dirty-page-tracking' type='string' value='on'", { deviceDirtyTracking: 'on' }],
    ["name='x-pre-copy-dirty-page-tracking' type='bool' value='true'", { preCopyDirtyTracking: 'on' }],
  ])('override %s', (property, device) => {
    for (const xml of [override('hostdev0', property), override('hostdev0', property, 'q')]) {
      const { descriptor: actual, notes } = imported(xml);
      expect(actual.vm.vfio).toStrictEqual([{ id: 'hostdev0', host: '0000:3b:00.1', ...device }]);
      expect(notes).toStrictEqual([]);
    }
  });

  test.each([
    ['hostdev0', "name='x-migration-max-queued-buffers-size' type='unsigned' value='1048576'", []],
    ['hostdev0', "name='x-no-mmap' type='bool' value='true'", []],
    ['hostdev0', "name='enable-migration' type='remove'", []],
    ['hostdev0', "name='x-of-tomorrow' type='signed' value='-1'", ['vfio-pci x-of-tomorrow']],
    ['iommu0', "name='enable-migration' type='string' value='on'", ['qemu:override (iommu0)']],
  ])('override of %s, %s, leaves unread: %s', (alias, property, noted) => {
    const { descriptor: actual, notes } = imported(override(alias, property));
    expect(actual.vm.vfio[0]).toMatchObject({ id: 'hostdev0', host: '0000:3b:00.1' });
    expect(actual.vm.vfio[0]).not.toHaveProperty('enableMigration');
    expect(notes).toStrictEqual(noted.map((what) => `The domain XML holds what is not read: ${what}.`));
  });

  test('an override of any device: a vIOMMU in scalable mode', () => {
    const xml = override('iommu0', "name='x-scalable-mode' type='bool' value='true'").replace(
      '<devices>',
      "<devices><iommu model='intel'><driver caching_mode='on'/></iommu>",
    );
    expect(imported(xml).descriptor.vm.viommu).toStrictEqual({ model: 'intel', cachingMode: true, scalableMode: true });
  });
});

describe('<qemu:commandline>', () => {
  const xml = (devices: string, ...args: readonly string[]): string =>
    `<domain xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'><memory>1</memory><devices>${devices}</devices>` +
    `<qemu:commandline>${args.map((arg) => `\n<qemu:arg value='${arg}'/>`).join('')}</qemu:commandline></domain>`;

  test('adds devices, which QEMU realizes before those that libvirt writes in JSON', () => {
    const document = xml("<iommu model='intel'/>", '-device', 'vfio-pci,host=3b:00.1,enable-migration=on,id=vf');
    const { descriptor: actual, notes } = imported(document);
    expect(actual.vm.vfio).toStrictEqual([
      { id: 'vf', host: '0000:3b:00.1', enableMigration: 'on', address: { bypassIommu: true } },
    ]);
    expect(notes).toStrictEqual([expect.stringContaining('is realized before the vIOMMU')]);
  });

  test('in JSON, stands among libvirt’s', () => {
    const document = xml("<iommu model='intel'/>", '-device', '{"driver":"vfio-pci","host":"3b:00.1"}');
    expect(imported(document).descriptor.vm.vfio).toStrictEqual([{ host: '0000:3b:00.1' }]);
  });

  test('changes what libvirt asks for', () => {
    const { vm } = imported(xml('', '-cpu', 'host,hv-passthrough=on', '-only-migratable')).descriptor;
    expect(vm).toMatchObject({ cpu: { hvPassthrough: true }, onlyMigratable: true });
  });

  test('an amd-iommu with dma-remap, which libvirt cannot ask for', () => {
    const args = ['{"driver":"AMDVI-PCI","id":"a"}', '{"driver":"amd-iommu","pci-id":"a","dma-remap":true}'];
    const { viommu } = imported(xml('', '-device', args[0] ?? '', '-device', args[1] ?? '')).descriptor.vm;
    expect(viommu).toStrictEqual({ model: 'amd', pciId: 'a', dmaRemap: true });
  });

  test('a fault of its own has its line', () => {
    expect(faultsOf(xml('', '-device', 'vfio-pci'))).toStrictEqual([
      { line: 3, column: 1, detail: '<qemu:arg>: no host=DDDD:BB:DD.F, sysfsdev= or fd= of the host’s device' },
    ]);
  });
});

describe('several domains', () => {
  const xml =
    "<fleet>\n<domain id='3'><name>a</name><memory unit='GiB'>1</memory></domain>\n\n<domstatus state='pmsuspended'>" +
    "<domain id='4'><name>b</name><memory unit='GiB'>2</memory></domain></domstatus>\n<domain><name>c</name><memory unit='GiB'>3</memory></domain></fleet>";

  test('become a VM each', () => {
    const all = importDocuments('libvirt-xml', xml);
    expect(all.map(({ descriptor: { vm } }) => [vm.name, vm.memory])).toStrictEqual([
      ['a', '1GiB'],
      ['b', '2GiB'],
      ['c', '3GiB'],
    ]);
    expect(all.map(({ descriptor: { state } }) => state)).toStrictEqual(['running', 'running', undefined]);
    expect(all[1]?.descriptor.vm.runtime).toStrictEqual({ suspended: true });
  });

  test('are too many where one is asked for', () => {
    expect(() => importDocument('libvirt-xml', xml)).toThrow(
      'line 4: a second VM: send one at a time, or all to the batch\nline 5: a second VM',
    );
  });
});

describe('what a domain tells of its state', () => {
  test.each([
    ["<domain id='7'>", '</domain>', 'running'],
    ["<domain id='-1'>", '</domain>', undefined],
    ['<domain>', '</domain>', undefined],
    ["<domstatus state='running'><domain id='7'>", '</domain></domstatus>', 'running'],
    ["<domstatus state='paused'><domain id='7'>", '</domain></domstatus>', 'running'],
    ["<domstatus state='shutoff'><domain>", '</domain></domstatus>', undefined],
    ['<domstatus><domain>', '</domain></domstatus>', undefined],
  ])('%s…%s: %s', (start, end, state) => {
    expect(imported(`${start}<memory>1</memory>${end}`).descriptor.state).toBe(state);
  });
});

describe('parts of a domain', () => {
  test.each<[part: string, vm: object]>([
    ['<name>a &amp; b &#38; &#x26; &quot;c&apos;</name>', { name: 'a & b & & "c\'' }],
    ['<name><![CDATA[a &amp; b]]></name>', { name: 'a &amp; b' }],
    ['<name>four<!-- and a comment -->score</name>', { name: 'fourscore' }],
    ["<os><type machine='q35'>hvm</type></os>", { machine: 'q35' }],
    ["<maxMemory slots='8' unit='GiB'>64</maxMemory>", { maxMemory: '64GiB', slots: 8 }],
    ["<cpu><maxphysaddr mode='emulate' bits='42'/></cpu>", { cpu: { physBits: 42 } }],
    ["<cpu><maxphysaddr mode='passthrough' limit='39'/></cpu>", {}],
    ["<cpu mode='host-passthrough' migratable='off'/>", { cpu: { invtsc: true } }],
    ["<cpu><model vendor_id='KVMKVMKVM'>EPYC</model></cpu>", { cpu: { vendor: 'KVMKVMKVM' } }],
    ["<cpu mode='host-model'><feature policy='require' name='invtsc'/></cpu>", { cpu: { invtsc: true } }],
    ["<cpu><feature policy='disable' name='invtsc'/></cpu>", { cpu: { invtsc: false } }],
    ["<cpu><feature policy='optional' name='invtsc'/></cpu>", {}],
    ["<clock><timer name='tsc' frequency='3504000000'/></clock>", { cpu: { tscFrequency: 3504000000 } }],
    ["<features><hyperv mode='passthrough'/></features>", { cpu: { hvPassthrough: true } }],
    ["<features><hyperv mode='custom'><relaxed state='on'/></hyperv></features>", {}],
    ["<memoryBacking><access mode='shared'/></memoryBacking>", { memoryBackends: [{ size: '1GiB', share: true }] }],
    ["<memoryBacking><source type='memfd'/></memoryBacking>", { memoryBackends: [{ size: '1GiB', share: true }] }],
    [
      "<memoryBacking><source type='memfd'/><access mode='private'/></memoryBacking>",
      { memoryBackends: [{ size: '1GiB', share: false }] },
    ],
    ["<memoryBacking><source type='file'/></memoryBacking>", {}],
    [
      "<cpu><numa><cell memory='1048576'/><cell memory='2' unit='GiB' memAccess='shared'/></numa></cpu>",
      {
        memory: '3GiB',
        memoryBackends: [
          { size: '1GiB', share: false },
          { size: '2GiB', share: true },
        ],
      },
    ],
    ["<launchSecurity type='sev'><policy>0x0003</policy></launchSecurity>", { confidential: 'sev' }],
    ["<launchSecurity type='sev'><policy>0007</policy></launchSecurity>", { confidential: 'sev-es' }],
    ["<launchSecurity type='sev'/>", { confidential: 'sev' }],
    [
      "<launchSecurity type='sev-snp'><policy>0x00030000</policy></launchSecurity>",
      { confidential: 'sev-snp', memoryBackends: [{ size: '1GiB', share: false, guestMemfd: true }] },
    ],
    [
      "<launchSecurity type='tdx'/>",
      { confidential: 'tdx', memoryBackends: [{ size: '1GiB', share: false, guestMemfd: true }] },
    ],
    ["<features><ioapic driver='qemu'/></features>", { kernelIrqchip: 'split' }],
    ["<features><acpi/><ioapic driver='kvm'/></features>", { kernelIrqchip: 'on' }],
  ])('%s', (part, vm) => {
    expect(imported(domain(part)).descriptor.vm).toStrictEqual({
      accel: 'kvm',
      memory: '1GiB',
      memoryBackends: [{ size: '1GiB', share: false }],
      vfio: [],
      ...vm,
    });
  });

  test.each<[iommu: string, viommu: object]>([
    ["<iommu model='intel'/>", { model: 'intel' }],
    ["<iommu model='virtio'/>", { model: 'virtio' }],
    ["<iommu model='amd'><driver/></iommu>", { model: 'amd', pciId: 'iommu0' }],
    ["<iommu model='smmuv3'/>", { model: 'smmuv3' }],
    ["<iommu model='smmuv3'><driver accel='on'/></iommu>", { model: 'smmuv3', accel: true }],
    [
      "<iommu model='smmuv3'><driver pciBus='1'/></iommu><iommu model='smmuv3'><driver pciBus='2'/></iommu>",
      { model: 'smmuv3' },
    ],
    [
      "<iommu model='intel'><driver scalable_mode='on' fsts='on' svm='on'/></iommu>",
      { model: 'intel', scalableMode: true, firstStage: true, svm: true },
    ],
    ["<iommu model='intel'><driver intremap='on' eim='off'/></iommu>", { model: 'intel', intremap: true, eim: false }],
    ["<iommu model='intel'><driver caching_mode='on'/></iommu>", { model: 'intel', cachingMode: true }],
    ["<iommu model='intel'><driver iotlb='on'/></iommu>", { model: 'intel', deviceIotlb: true }],
    ["<iommu model='intel'><driver aw_bits='57'/></iommu>", { model: 'intel', addressWidth: 57 }],
    ["<iommu model='intel'><driver dma_translation='off'/></iommu>", { model: 'intel', dmaTranslation: false }],
    ["<iommu model='virtio'><driver granule='64K'/></iommu>", { model: 'virtio', granule: '64k' }],
    ["<iommu model='virtio'><driver><granule mode='host'/></driver></iommu>", { model: 'virtio', granule: 'host' }],
    [
      "<iommu model='virtio'><driver><granule size='64' unit='KiB'/></driver></iommu>",
      { model: 'virtio', granule: '64k' },
    ],
  ])('%s', (iommu, viommu) => {
    expect(imported(domain('', iommu)).descriptor.vm.viommu).toStrictEqual(viommu);
  });

  test.each([
    ['pc-q35-5.0', '', undefined],
    ['pc-q35-5.0', "<memoryBacking><source type='file'/></memoryBacking>", 2],
    ['pc-q35-5.1', '', 2],
    ['q35', '', 2],
  ])('two NUMA nodes of %s%s have memory backends: %s', (machine, backing, count) => {
    const cells = "<cpu><numa><cell memory='1048576'/><cell memory='1048576'/></numa></cpu>";
    const { vm } = imported(domain(`<os><type machine='${machine}'/></os>${cells}${backing}`)).descriptor;
    expect(vm).toMatchObject({ memory: '2GiB' });
    expect(vm.memoryBackends?.length).toBe(count);
  });

  test.each([
    ['kvm', 'kvm'],
    ['qemu', 'tcg'],
  ])('a domain of type %s runs on %s', (type, accel) => {
    expect(imported(`<domain type='${type}'><memory>1</memory></domain>`).descriptor.vm.accel).toBe(accel);
  });
});

describe('what is not read is noted', () => {
  test.each<[elements: string, devices: string, noted: string | undefined]>([
    ['', "<hostdev mode='capabilities' type='misc'/>", 'hostdev (type=misc)'],
    ['', "<hostdev mode='subsystem' type='of-tomorrow'/>", 'hostdev (type=of-tomorrow)'],
    ['', "<disk type='nvme'><source/><target bus='virtio'/></disk>", 'disk (type=nvme)'],
    ['', "<filesystem><driver type='ploop'/></filesystem>", 'filesystem (driver=ploop)'],
    ['', "<iommu model='amd'><driver xtsup='on'/></iommu>", 'amd-iommu xtsup'],
    ['', "<iommu model='intel'><driver of_tomorrow='on'/></iommu>", 'iommu (of_tomorrow)'],
    ['', "<memory model='nvdimm'><target><size>1024</size></target></memory>", 'the memory of an nvdimm'],
    ['', "<memory model='sgx-epc'><target><size>1024</size></target></memory>", 'memory (model=sgx-epc)'],
    ["<launchSecurity type='s390-pv'/>", '', '-object s390-pv-guest'],
    ["<launchSecurity type='of-tomorrow'/>", '', 'launchSecurity (type=of-tomorrow)'],
    ['<memoryBacking><locked/><hugepages/></memoryBacking>', '', undefined],
  ])('%s%s', (elements, devices, noted) => {
    const notes = noted === undefined ? [] : [`The domain XML holds what is not read: ${noted}.`];
    expect(imported(domain(elements, devices)).notes).toStrictEqual(notes);
  });

  test.each([
    ["<source network='pool'/>", true],
    ["<source network='nat' bridge='virbr0'/>", false],
    ["<source network='nat'/><target dev='vnet0'/>", false],
    ["<source network='pool'/><actual type='bridge'/>", false],
  ])('an interface of a network with %s may be a device of the host: %s', (content, isUndecided) => {
    const { notes } = imported(domain('', `<interface type='network'>${content}</interface>`));
    expect(notes).toStrictEqual(isUndecided ? [expect.stringContaining('the network pool')] : []);
  });
});

describe('faults', () => {
  const ENTITIES = '<?xml version="1.0"?>\n<!-- <!DOCTYPE a> -->\n<!DOCTYPE d [<!ENTITY a "b">]>\n<domain/>';
  test.each<[what: string, xml: string, line: number, words: string]>([
    ['nothing', '', 1, 'not well-formed XML: Root element is missing or invalid'],
    ['no XML', '{"vm": {}}', 1, 'not well-formed XML'],
    [
      'half a document',
      '<domain>\n<memory>1</memory>\n<devices>\n<hostdev',
      4,
      'Unclosed start tag for element `hostdev`',
    ],
    ['an element left open', '\n<domain>\n', 2, 'Missing end tag for element domain'],
    ['a wrong end tag', '<domain>\n<name>a</nane>\n</domain>', 2, 'Missing end tag for element name'],
    [
      'an attribute twice',
      "<domain>\n<memory\n unit='b'\n unit='b'>1</memory></domain>",
      4,
      'Duplicate attribute: unit',
    ],
    ['a bare ampersand', '<domain>\n<name>a & b</name></domain>', 2, 'Unterminated reference'],
    [
      'a bare ampersand in an attribute',
      "<domain>\n<memory unit='a&b'>1</memory></domain>",
      2,
      'Unterminated reference',
    ],
    ['an entity of HTML', '<domain>\n<name>a&nbsp;b</name></domain>', 2, "Named entity isn't defined: &nbsp;"],
    ['a character that XML has not', '<domain>\n<name>&#0;</name></domain>', 2, 'resolves to an invalid character'],
    ['half a character', '<domain>\n<name>&#xd800;</name></domain>', 2, 'resolves to an invalid character'],
    ['a comment left open', '<domain>\n<memory>1</memory></domain>\n<!-- ', 3, 'Unclosed comment'],
    ['a comment left open after an empty root', '<domain/>\n<!-- ', 2, 'Unclosed comment'],
    ['a document type', ENTITIES, 3, '<!DOCTYPE is refused'],
    ['an entity declaration', '<domain>\n<!ENTITY a "b"><memory>1</memory></domain>', 2, '<!ENTITY is refused'],
    ['a character of none', '<domain>\n<name>a\u0001</name></domain>', 2, 'Invalid character'],
    ['two hyphens in a comment', '<domain>\n<!-- -- --></domain>', 2, "`--` isn't allowed inside a comment"],
    ['the end of CDATA without its start', '<domain>\n<name>a]]></name></domain>', 2, 'may not contain'],
    ['a declaration inside', '<a>\n<?xml version="1.0"?><domain/></a>', 2, "XML declaration isn't allowed here"],
    ['an attribute without a name', "<domain\n = type='kvm'/>", 2, 'Unclosed start tag'],
    ['names of JavaScript’s', "<domain __proto__='a'><constructor/></domain>", 1, '<domain> has no <memory>'],
    ['64 elements deep', `<domain>\n${'<a>'.repeat(64)}${'</a>'.repeat(64)}</domain>`, 2, 'more than 64 deep'],
    ['more than a MiB', `<domain>${' '.repeat(1 << 20)}</domain>`, 1, 'longer than 1048576 characters'],
    ['two documents', '<domain>\n<memory>1</memory>\n</domain>\n<domain>\n</domain>', 4, 'one domain at a time'],
    ['two documents, empty', '<domain/>\n<domain/>', 2, 'one domain at a time'],
    ['no domain', '<domstatus/>', 1, 'no <domain>: the document is a <domstatus>'],
    ['another of libvirt’s documents', '\n<network>\n<name>a</name></network>', 2, 'the document is a <network>'],
    [
      'a domain wrapped otherwise',
      '<domainsnapshot><domain/></domainsnapshot>',
      1,
      'the document is a <domainsnapshot>',
    ],
    ['no memory', '\n<domain></domain>', 2, '<domain> has no <memory>'],
    ['two memories', '<domain>\n<memory>1</memory>\n<memory>2</memory></domain>', 3, 'a second <memory> in <domain>'],
    ['two names', '<domain><memory>1</memory>\n<name>a</name>\n<name>a</name></domain>', 3, 'a second <name>'],
    ['two <devices>', '<domain><memory>1</memory>\n<devices/>\n<devices/></domain>', 3, 'a second <devices>'],
    ['memory of no number', '<domain>\n<memory>-1</memory></domain>', 2, '"-1", not a whole number'],
    ['memory of none', '<domain>\n<memory>0</memory></domain>', 2, 'no RAM is left to boot with'],
    ['an unknown unit', "<domain>\n<memory unit='ZiB'>1</memory></domain>", 2, '"ZiB" is no unit of <memory>'],
    ['an empty unit', "<domain>\n<memory unit=''>1</memory></domain>", 2, '"" is no unit of <memory>'],
    ['2^64 bytes', "<domain>\n<memory unit='EiB'>16</memory></domain>", 2, 'more than 2^64 − 1 bytes'],
    [
      '2^64 − 1 bytes, which libvirt rounds up',
      "<domain>\n<memory unit='b'>18446744073709551615</memory></domain>",
      2,
      '2^64',
    ],
    [
      'too many slots',
      domain("\n<maxMemory slots='257'>1</maxMemory>"),
      2,
      'slots of <maxMemory> is "257", not 0 to 256',
    ],
    [
      'more in DIMMs than in all',
      domain('', "<memory model='dimm'><target><size unit='GiB'>1</size></target></memory>"),
      1,
      'take 1GiB of 1GiB',
    ],
    [
      'a block of virtio-mem',
      domain('', "<memory model='virtio-mem'><target><size>1</size>\n<block unit='MiB'>3</block></target></memory>"),
      2,
      '<block> is 3MiB, not a power of two of at least 1MiB',
    ],
    ['a DIMM without a size', domain('', "\n<memory model='dimm'><target/></memory>"), 2, 'no target <size>'],
    [
      'another hypervisor',
      "<domain type='xen'><memory>1</memory></domain>",
      1,
      'type of <domain> is "xen", not kvm, qemu',
    ],
    ['an empty name', domain('\n<name/>'), 2, '<name> must hold 1 to 256 characters, not 0'],
    ['a long name', domain(`\n<name>${'a'.repeat(257)}</name>`), 2, '1 to 256 characters, not 257'],
    [
      'an unknown IOMMU',
      domain('', "\n<iommu model='riscv'/>"),
      2,
      'model of <iommu> is "riscv", not intel, virtio, amd, smmuv3',
    ],
    ['an IOMMU of no model', domain('', '\n<iommu/>'), 2, '<iommu> has no model'],
    [
      'an IOMMU’s width',
      domain('', "<iommu model='intel'>\n<driver aw_bits='65'/></iommu>"),
      2,
      'aw_bits of <driver> is "65", not 1 to 64',
    ],
    [
      'an IOMMU’s switch',
      domain('', "<iommu model='intel'>\n<driver eim='yes'/></iommu>"),
      2,
      'eim of <driver> is "yes", not on, off',
    ],
    [
      'an IOMMU’s granule',
      domain('', "<iommu model='virtio'><driver>\n<granule mode='guest'/></driver></iommu>"),
      2,
      '"guest", not host',
    ],
    ['a hostdev without a source', domain('', "\n<hostdev type='pci'/>"), 2, '<hostdev> has no source <address>'],
    [
      'a hostdev at no place',
      domain('', "<hostdev type='pci'><source>\n<address slot='0x20'/></source></hostdev>"),
      2,
      'slot of <address> is "0x20", not 0 to 0x1f',
    ],
    [
      'an octal of a nine',
      domain('', "<hostdev type='pci'><source>\n<address bus='09'/></source></hostdev>"),
      2,
      '"09"',
    ],
    [
      'an mdev without a UUID',
      domain('', "<hostdev type='mdev'><source>\n<address/></source></hostdev>"),
      2,
      'has no uuid',
    ],
    [
      'an mdev of no model',
      domain('', "\n<hostdev type='mdev' model='x'><source><address uuid='u'/></source></hostdev>"),
      2,
      'model of <hostdev> is "x"',
    ],
    [
      'a backend of neither',
      domain('', hostdev("\n<driver iommufd='on'/>")),
      2,
      'iommufd of <driver> is "on", not yes, no',
    ],
    ['two sources', domain('', hostdev('\n<source/>')), 2, 'a second <source> in <hostdev>'],
    [
      'an alias of JavaScript’s',
      domain('', hostdev("\n<alias name='__proto__'/>")),
      2,
      '"__proto__" is no id of QEMU\'s',
    ],
    ['an empty alias', domain('', hostdev("\n<alias name=''/>")), 2, '"" is no id of QEMU\'s'],
    [
      'an alias twice',
      domain('', `${hostdev("<alias name='a'/>")}\n${hostdev("<alias name='a'/>")}`),
      2,
      '<hostdev>: a second device with the id "a"',
    ],
    [
      'a policy of no number',
      domain("<launchSecurity type='sev'>\n<policy>none</policy></launchSecurity>"),
      2,
      '<policy> is "none", not hexadecimal',
    ],
    [
      'an override of no value',
      domain(
        "<qemu:override><qemu:device alias='hostdev0'><qemu:frontend>\n<qemu:property name='enable-migration' type='string' value='yes'/></qemu:frontend></qemu:device></qemu:override>",
        hostdev(''),
      ),
      2,
      '<hostdev>: enable-migration is "yes", not on, off, auto',
    ],
  ])('%s', (_what, xml, line, words) => {
    const faults = faultsOf(xml);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ line, detail: expect.stringContaining(words) });
  });

  test('what may stand around a domain is none', () => {
    const xml = `\uFEFF<?xml version='1.0'?>\n<!-- <!DOCTYPE a> -->\n${domain('')}\n<!-- end --><?end?>\n`;
    expect(imported(xml).descriptor).toStrictEqual(imported(domain('')).descriptor);
  });

  test('columns count from 1', () => {
    expect(faultsOf('<domain><memory>1</memory><devices>\r\n  <iommu/></devices></domain>')).toStrictEqual([
      { line: 2, column: 3, detail: '<iommu> has no model' },
    ]);
  });

  test('all of them at once, in the order of the text', () => {
    const xml = domain('\n<name/>', "\n<iommu model='x'/>\n<hostdev type='pci'/>\n<hostdev type='pci'/>");
    expect(faultsOf(xml).map(({ line }) => line)).toStrictEqual([2, 3, 4, 5]);
    expect(() => importDocuments('libvirt-xml', xml)).toThrow(
      /^line 2: <name> .*\nline 3: model .*\nline 4: <hostdev> .*\nline 5: <hostdev> /,
    );
  });

  test('257 host devices', () => {
    expect(imported(domain('', hostdev('').repeat(256))).descriptor.vm.vfio).toHaveLength(256);
    expect(faultsOf(domain('', hostdev('').repeat(257)))).toMatchObject([
      { detail: '<hostdev>: more than 256 VFIO devices' },
    ]);
  });

  test('no more than 100 are told, of what is not read neither', () => {
    expect(faultsOf(domain('', "<hostdev type='pci'/>".repeat(150)))).toHaveLength(100);
    const attributes = Array.from({ length: 150 }, (_, index) => `a${index}=''`).join(' ');
    const [note] = imported(domain('', `<iommu model='intel'><driver ${attributes}/></iommu>`)).notes;
    expect(note?.match(/iommu \(a\d+\)/g)).toHaveLength(100);
  });

  test('257 memory devices', () => {
    const dimm = "<memory model='dimm'><target><size>1</size></target></memory>";
    expect(imported(domain('', dimm.repeat(256))).descriptor.vm.hotplugged).toHaveLength(256);
    expect(faultsOf(domain('', dimm.repeat(257)))).toMatchObject([
      { detail: '<memory>: more than 256 memory devices' },
    ]);
  });
});

describe('whatever comes', () => {
  /** A domain that is valid, or faults that lie in the text. */
  function survives(xml: string): void {
    const lines = xml.split(/\r\n|\r|\n/).length;
    try {
      imported(xml);
    } catch (error) {
      if (!(error instanceof ImportError)) throw error;
      expect(error.faults.length).toBeGreaterThan(0);
      for (const { line, column = 1, detail } of error.faults) {
        expect(line).toBeGreaterThanOrEqual(1);
        expect(line).toBeLessThanOrEqual(lines);
        expect(column).toBeGreaterThanOrEqual(1);
        expect(detail).toMatch(/\S/);
      }
    }
  }

  const MARKUP = [
    '<',
    '>',
    '/',
    '</',
    '/>',
    '&',
    ';',
    '&amp;',
    '&#',
    "'",
    '"',
    '=',
    ' ',
    '\n',
    '\r',
    '\u0000',
    '\uFEFF',
    '\uD800',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?',
    '?>',
    '<?xml version="1.0"?>',
    '<!DOCTYPE',
    '<domain>',
    '</domain>',
    '<domain',
    '<memory>',
    '</memory>',
    '<devices>',
    '</devices>',
    "<hostdev type='pci'>",
    '</hostdev>',
    '<iommu/>',
    '__proto__',
    'constructor',
    'toString',
    'xmlns:',
    '1',
    'a',
    '0x',
    '-1',
    '99999999999999999999999',
    'é',
  ];
  const token = fc.oneof(fc.constantFrom(...MARKUP), fc.string({ unit: 'binary', maxLength: 4 }));

  test('any string', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 64 }), survives), { numRuns: 500 });
  });

  test('any heap of markup', () => {
    fc.assert(
      fc.property(
        fc.array(token, { maxLength: 24 }).map((tokens) => tokens.join('')),
        survives,
      ),
      { numRuns: 2000 },
    );
  });

  const texts = fc.constantFrom(...names.map(fixture));

  const cutting = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    length: fc.nat({ max: 40 }),
    put: token,
  });
  const cut = fc.tuple(texts, fc.array(cutting, { minLength: 1, maxLength: 4 })).map(([text, cuttings]) =>
    cuttings.reduce((xml, { at, length, put }) => {
      const index = Math.floor(at * xml.length);
      return xml.slice(0, index) + put + xml.slice(index + length);
    }, text),
  );

  test('any domain with parts cut out, put in and written over', () => {
    fc.assert(fc.property(cut, survives), { numRuns: 1000 });
  });

  /** Edits of one line that leave XML well-formed, and so reach beyond the parser. */
  const EDITS: Record<string, (line: string, value: string) => string> = {
    drop: (line) => (isElement(line) ? '' : line),
    repeat: (line) => (isElement(line) ? line + line : line),
    attribute: (line, value) => line.replace(/='[^']*'/, `='${value}'`),
    text: (line, value) => line.replace(/>[^<]+</, `>${value}<`),
  };
  const isElement = (line: string): boolean => /^\s*<(?:[^>]*\/>|([\w:]+)[^>]*>[^<]*<\/\1>)$/.test(line);
  const VALUES = [
    'constructor',
    'toString',
    '',
    '0',
    '-1',
    '0x',
    'on',
    'yes',
    'x'.repeat(300),
    '99999999999999999999',
    'hostdev0',
    '&lt;',
    '__proto__',
  ];
  const editing = fc.record({
    edit: fc.constantFrom(...Object.values(EDITS)),
    at: fc.nat({ max: 200 }),
    value: fc.constantFrom(...VALUES),
  });
  const edited = fc.tuple(texts, fc.array(editing, { minLength: 1, maxLength: 4 })).map(([text, editings]) => {
    const lines = text.split('\n');
    for (const { edit, at, value } of editings) {
      const index = at % lines.length;
      lines[index] = edit(lines[index] ?? '', value);
    }
    return lines.join('\n');
  });

  test('any domain with elements left out or repeated and values exchanged', () => {
    fc.assert(fc.property(edited, survives), { numRuns: 1000 });
  });

  test('a fault moves down with its document', () => {
    const xml = "<domain>\n<memory>1</memory>\n<devices>\n<iommu model='x'/></devices></domain>";
    fc.assert(
      fc.property(fc.array(fc.constantFrom('\n', '\r\n', '<!-- a\n b -->')), (prefix) => {
        const above = prefix.join('');
        expect(faultsOf(above + xml).map(({ line }) => line)).toStrictEqual([above.split('\n').length + 3]);
      }),
    );
  });
});
