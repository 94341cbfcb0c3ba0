import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseSize } from '../../src/descriptor/quantities.ts';
import { type Descriptor, descriptor } from '../../src/descriptor/schema.ts';
import { ImportError, type ImportFault } from '../../src/importers/import-error.ts';
import type { Imported } from '../../src/importers/imported.ts';
import { importLibvirtXml } from '../../src/importers/libvirt-xml.ts';

const FIXTURES = new URL('../fixtures/libvirt/', import.meta.url);
const names = readdirSync(FIXTURES).toSorted();
const fixture = (name: string): string => readFileSync(new URL(name, FIXTURES), 'utf8');

/** What a domain becomes, having checked that it is a valid descriptor that JSON carries unchanged. */
function imported(xml: string): Imported {
  const result = importLibvirtXml(xml);
  expect(descriptor.parse(result.descriptor)).toStrictEqual(result.descriptor);
  expect(JSON.parse(JSON.stringify(result))).toStrictEqual(result);
  return result;
}

function faultsOf(xml: string): readonly ImportFault[] {
  try {
    importLibvirtXml(xml);
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
  'intel-legacy-16tib.xml': {
    vm: {
      name: 'hana-01',
      machine: 'pc-q35-11.0',
      accel: 'kvm',
      memory: '16TiB',
      cpu: { physBits: 46 },
      viommu: { model: 'intel', addressWidth: 48, intremap: true, cachingMode: true, eim: true, deviceIotlb: false },
      vfio: [{ id: 'hostdev0', host: '0000:3b:00.1' }],
    },
    source: { devices: { hostdev0: { driver: 'mlx5_vfio_pci' } } },
  },
  'virtio-iommufd.xml': {
    vm: {
      name: 'dpdk-gateway',
      machine: 'pc-q35-10.2',
      accel: 'kvm',
      memory: '64GiB',
      viommu: { model: 'virtio', addressWidth: 48, granule: '4k' },
      vfio: [
        { id: 'ua-wan', host: '0000:c1:02.4', backend: 'iommufd', iommufdObject: 'iommufd0' },
        { id: 'hostdev1', host: '0001:c1:02.5', backend: 'legacy' },
      ],
    },
    source: {},
  },
  'interface-failover.xml': {
    vm: {
      name: 'web-12',
      machine: 'pc-q35-8.2',
      accel: 'kvm',
      memory: '16GiB',
      vfio: [{ id: 'hostdev0', host: '0000:5e:02.3', unpluggedForMigration: true }],
    },
    source: {},
  },
  'mdev-override.xml': {
    vm: {
      name: 'vdi-007',
      machine: 'pc-q35-9.2',
      accel: 'kvm',
      memory: '8GiB',
      vfio: [
        {
          id: 'hostdev0',
          type: 'mdev',
          host: '4b20d080-1b54-4048-85b3-a6a62d165c01',
          enableMigration: 'on',
          deviceDirtyTracking: 'off',
        },
      ],
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
      hotplugged: [
        { model: 'dimm', size: '128GiB' },
        { model: 'virtio-mem', size: '2GiB', blockSize: '2MiB' },
      ],
      viommu: { model: 'intel', cachingMode: true, dmaTranslation: false },
      vfio: [{ id: 'hostdev0', host: '0000:17:00.2', backend: 'iommufd', iommufdObject: 'iommufd0' }],
    },
    source: {},
  },
  'smmuv3-grace.xml': {
    vm: {
      name: 'grace-gpu',
      machine: 'virt-10.2',
      accel: 'kvm',
      memory: '468750000KiB',
      viommu: { model: 'smmuv3', accel: true },
      vfio: [{ id: 'hostdev0', host: '0009:01:00.0', backend: 'iommufd', iommufdObject: 'iommufd0' }],
    },
    source: { devices: { hostdev0: { driver: 'nvgrace_gpu_vfio_pci' } } },
  },
  'amd-snp.xml': {
    vm: {
      name: 'confidential <1>',
      machine: 'pc-q35-11.1',
      accel: 'kvm',
      memory: '4GiB',
      confidential: 'sev-snp',
      viommu: { model: 'amd', intremap: true, deviceIotlb: true },
      vfio: [{ id: 'hostdev0', host: '0000:81:00.0' }],
    },
    source: {},
  },
  'status-network-pool.xml': {
    vm: {
      name: 'pool-3',
      machine: 'pc-i440fx-7.2',
      accel: 'tcg',
      memory: '2GiB',
      vfio: [
        { id: 'hostdev0', host: '0000:18:11.7' },
        { id: 'hostdev1', host: '10000:e1:00.0' },
      ],
    },
    source: { devices: { hostdev0: { driver: 'iavf_vfio_pci' } } },
  },
};

const FIXTURE_NOTES: Record<string, string[]> = {
  'virtio-iommufd.xml': ['The domain XML holds what is not read: hostdev (type=usb), memoryBacking, numa.'],
  'interface-failover.xml': ['The domain XML holds what is not read: tpm.'],
  'mdev-override.xml': [
    '<qemu:commandline> is not read: its arguments may add or change devices.',
    'The domain XML holds what is not read: disk (format=vmdk), qemu:override (hostdev0 x-no-kvm-intx).',
  ],
  'memory-devices.xml': ['The domain XML holds what is not read: memory (model=nvdimm).'],
  'smmuv3-grace.xml': ['The domain XML holds what is not read: iommu (ats), iommu (oas), iommu (pciBus).'],
  'amd-snp.xml': [
    'The domain XML holds what is not read: feature (name=invtsc), filesystem, interface (type=vhostuser), ' +
      'iommu (passthrough), iommu (xtsup), memoryBacking, shmem.',
  ],
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
    ["<memory unit='b'>1</memory>", '1KiB'],
    ["<memory unit='bytes'>1025</memory>", '2KiB'],
    ["<memory unit='KB'>1024</memory>", '1000KiB'],
    ["<memory unit='k'>1024</memory>", '1MiB'],
    ["<memory unit='kib'>1024</memory>", '1MiB'],
    ["<memory unit='MB'>1</memory>", '977KiB'],
    ["<memory unit='m'>512</memory>", '512MiB'],
    ["<memory unit='MiB'>512</memory>", '512MiB'],
    ["<memory unit='GB'>2</memory>", '1953125KiB'],
    ["<memory unit='g'>2</memory>", '2GiB'],
    ["<memory unit='TB'>1</memory>", '976562500KiB'],
    ["<memory unit='T'>12</memory>", '12TiB'],
    ["<memory unit='PB'>1</memory>", '976562500000KiB'],
    ["<memory unit='PiB'>1</memory>", '1PiB'],
    ["<memory unit='EB'>1</memory>", '976562500000000KiB'],
    ["<memory unit='E'>15</memory>", '15EiB'],
    ["<memory unit='bytes'>9223372036854710272</memory>", '9007199254740928KiB'],
    ['<memory>18014398509481983</memory>', '18014398509481983KiB'],
    ["<memory dumpCore='off' unit='MiB'>  <![CDATA[512]]>\n</memory>", '512MiB'],
  ])('%s is %s', (memory, size) => {
    expect(imported(`<domain>${memory}</domain>`).descriptor.vm.memory).toBe(size);
  });

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

  test('any amount is exact to the KiB, rounded up, or refused above 2^64 − 1', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 1n << 66n), fc.constantFrom(...UNITS), (count, [unit, bytes]) => {
        const xml = `<domain><memory unit='${unit}'>${count}</memory></domain>`;
        const whole = ((count * bytes + 1023n) / 1024n) * 1024n;
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
        const { memory, hotplugged = [] } = imported(xml).descriptor.vm;
        expect(parseSize(memory)).toBe(boot << 10n);
        expect(hotplugged.map(({ size }) => parseSize(size))).toStrictEqual(
          modules
            .filter(({ model }) => model !== 'nvdimm')
            .map(({ model, size }) => (model === 'dimm' ? size << 10n : 7n << 10n)),
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
        { id: 'hostdev5', host: '0000:3b:00.1' },
        { id: 'hostdev4', host: '0000:3b:00.1' },
        { id: 'hostdev7', host: '0000:3b:00.1' },
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
    ['the device declines', domain('', hostdev("<driver iommufd='no'/>")), { backend: 'legacy' }],
    ['the domain asks', domain(ENABLED, hostdev('')), IOMMUFD],
    ['the domain asks, the device declines', domain(ENABLED, hostdev("<driver iommufd='no'/>")), { backend: 'legacy' }],
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
    ['hostdev0', "name='x-no-mmap' type='bool' value='true'", 'qemu:override (hostdev0 x-no-mmap)'],
    ['iommu0', "name='enable-migration' type='string' value='on'", 'qemu:override (iommu0 enable-migration)'],
    ['hostdev0', "name='enable-migration' type='remove'", 'qemu:override (hostdev0 enable-migration)'],
  ])('override of %s that is not read: %s', (alias, property, noted) => {
    const { descriptor: actual, notes } = imported(override(alias, property));
    expect(actual.vm.vfio).toStrictEqual([{ id: 'hostdev0', host: '0000:3b:00.1' }]);
    expect(notes).toStrictEqual([`The domain XML holds what is not read: ${noted}.`]);
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
    ["<launchSecurity type='sev'><policy>0x0003</policy></launchSecurity>", { confidential: 'sev' }],
    ["<launchSecurity type='sev'><policy>0007</policy></launchSecurity>", { confidential: 'sev-es' }],
    ["<launchSecurity type='sev'/>", { confidential: 'sev' }],
    ["<launchSecurity type='sev-snp'/>", { confidential: 'sev-snp' }],
    ["<launchSecurity type='tdx'/>", { confidential: 'tdx' }],
  ])('%s', (part, vm) => {
    expect(imported(domain(part)).descriptor.vm).toStrictEqual({ accel: 'kvm', memory: '1GiB', vfio: [], ...vm });
  });

  test.each<[iommu: string, viommu: object]>([
    ["<iommu model='intel'/>", { model: 'intel' }],
    ["<iommu model='virtio'/>", { model: 'virtio' }],
    ["<iommu model='amd'><driver/></iommu>", { model: 'amd' }],
    ["<iommu model='smmuv3'><driver accel='on'/></iommu>", { model: 'smmuv3', accel: true }],
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
    ['kvm', 'kvm'],
    ['qemu', 'tcg'],
  ])('a domain of type %s runs on %s', (type, accel) => {
    expect(imported(`<domain type='${type}'><memory>1</memory></domain>`).descriptor.vm.accel).toBe(accel);
  });
});

describe('what is not read is noted', () => {
  test.each<[elements: string, devices: string, noted: string | undefined]>([
    ['', "<tpm model='tpm-tis'/><tpm model='tpm-crb'/>", 'tpm'],
    ['', "<shmem name='s'/><filesystem/><crypto model='virtio'/>", 'crypto, filesystem, shmem'],
    ['', "<interface type='vhostuser'/><interface type='vdpa'/>", 'interface (type=vdpa), interface (type=vhostuser)'],
    ['', "<interface type='bridge'/><interface type='network'/>", undefined],
    ['', "<interface type='hostdev'><source><address type='usb'/></source></interface>", 'interface (type=usb)'],
    ['', "<hostdev mode='subsystem' type='scsi_host'/>", 'hostdev (type=scsi_host)'],
    ['', "<hostdev mode='capabilities' type='misc'/>", 'hostdev (type=misc)'],
    ['', "<disk type='file'><driver name='qemu' type='vhdx'/></disk>", 'disk (format=vhdx)'],
    ['', "<disk type='file'><driver name='qemu' type='raw'/></disk><disk/>", undefined],
    ['', "<disk type='nvme'/>", 'disk (type=nvme)'],
    ['', "<sound model='virtio'/><sound model='ich9'/>", 'sound (model=virtio)'],
    ['', "<input type='passthrough'/><input type='tablet'/>", 'input (type=passthrough)'],
    ['', "<controller type='nvme'/><controller type='sata'/>", 'controller (type=nvme)'],
    ['', "<video><model type='virtio'><acceleration accel3d='yes'/></model></video>", 'acceleration (accel3d=yes)'],
    ['', "<iommu model='amd'><driver xtsup='on'/></iommu>", 'iommu (xtsup)'],
    ['', "<memory model='virtio-pmem'><target><size>1</size></target></memory>", 'memory (model=virtio-pmem)'],
    ['<memoryBacking><locked/></memoryBacking>', '', 'memoryBacking'],
    ["<features><hyperv mode='passthrough'/></features>", '', 'hyperv (mode=passthrough)'],
    ["<features><hyperv mode='custom'/></features>", '', undefined],
    [
      "<cpu><feature policy='require' name='invtsc'/><feature policy='require' name='x2apic'/></cpu>",
      '',
      'feature (name=invtsc)',
    ],
    ["<launchSecurity type='s390-pv'/>", '', 'launchSecurity (type=s390-pv)'],
  ])('%s%s', (elements, devices, noted) => {
    const notes = noted === undefined ? [] : [`The domain XML holds what is not read: ${noted}.`];
    expect(imported(domain(elements, devices)).notes).toStrictEqual(notes);
  });
});

describe('faults', () => {
  const ENTITIES = '<?xml version="1.0"?>\n<!-- <!DOCTYPE a> -->\n<!DOCTYPE d [<!ENTITY a "b">]>\n<domain/>';
  test.each<[what: string, xml: string, line: number, words: string]>([
    ['nothing', '', 1, 'not well-formed XML: Start tag expected'],
    ['no XML', '{"vm": {}}', 1, 'not well-formed XML'],
    ['half a document', '<domain>\n<memory>1</memory>\n<devices>\n<hostdev', 4, 'it ends before its elements do'],
    ['an element left open', '\n<domain>\n', 2, "Unclosed tag 'domain'"],
    ['a wrong end tag', '<domain>\n<name>a</nane>\n</domain>', 2, "Expected closing tag 'name'"],
    [
      'an attribute twice',
      "<domain>\n<memory\n unit='b'\n unit='b'>1</memory></domain>",
      4,
      "Attribute 'unit' is repeated",
    ],
    ['a bare ampersand', '<domain>\n<name>a & b</name></domain>', 2, "char '&' is not expected"],
    ['a bare ampersand in an attribute', "<domain>\n<memory unit='a&b'>1</memory></domain>", 2, '& is no entity'],
    ['an entity of HTML', '<domain>\n<name>a&nbsp;b</name></domain>', 2, '&nbsp; is no entity'],
    ['a character that XML has not', '<domain>\n<name>&#0;</name></domain>', 2, '&#0; is no entity'],
    ['half a character', '<domain>\n<name>&#xd800;</name></domain>', 2, '&#xd800; is no entity'],
    ['a comment left open', '<domain>\n<memory>1</memory></domain>\n<!-- ', 3, 'Extra text at the end'],
    ['a comment left open after an empty root', '<domain/>\n<!-- ', 2, 'Comment is not closed'],
    ['a document type', ENTITIES, 3, '<!DOCTYPE is refused'],
    ['an entity declaration', '<domain>\n<!ENTITY a "b"><memory>1</memory></domain>', 2, '<!ENTITY is refused'],
    ['a name of JavaScript’s', '<domain><__proto__/></domain>', 1, '__proto__'],
    ['64 elements deep', `<domain>\n${'<a>'.repeat(64)}${'</a>'.repeat(64)}</domain>`, 2, 'more than 64 deep'],
    ['more than a MiB', `<domain>${' '.repeat(1 << 20)}</domain>`, 1, 'longer than 1048576 characters'],
    ['two documents', '<domain>\n<memory>1</memory>\n</domain>\n<domain>\n</domain>', 4, 'one domain at a time'],
    ['two documents, empty', '<domain/>\n<domain/>', 2, 'one domain at a time'],
    ['two domains', '<domains>\n<domain/>\n<domain/></domains>', 3, 'one domain at a time'],
    ['two domains in a status', '<domstatus><domain/>\n<domain/></domstatus>', 2, 'one domain at a time'],
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
      'two IOMMUs',
      domain('', "<iommu model='smmuv3'/>\n<iommu model='smmuv3'/>"),
      2,
      'only domains with one can be read so far',
    ],
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
      'a second device with the alias "a"',
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
      'value of <qemu:property> is "yes"',
    ],
  ])('%s', (_what, xml, line, words) => {
    const faults = faultsOf(xml);
    expect(faults).toHaveLength(1);
    expect(faults[0]).toMatchObject({ line, detail: expect.stringContaining(words) });
  });

  test('what may stand around a domain is none', () => {
    const xml = `\uFEFF<?xml version='1.0'?>\n<!-- <!DOCTYPE a> -->\n${domain('')}\n<!-- end --><?end?>\n`;
    expect(imported(xml)).toStrictEqual(imported(domain('')));
  });

  test('columns count from 1', () => {
    expect(faultsOf('<domain><memory>1</memory><devices>\r\n  <iommu/></devices></domain>')).toStrictEqual([
      { line: 2, column: 3, detail: '<iommu> has no model' },
    ]);
  });

  test('all of them at once, in the order of the text', () => {
    const xml = domain('\n<name/>', "\n<iommu model='x'/>\n<hostdev type='pci'/>\n<hostdev type='pci'/>");
    expect(faultsOf(xml).map(({ line }) => line)).toStrictEqual([2, 3, 4, 5]);
    expect(() => importLibvirtXml(xml)).toThrow(
      /^line 2: <name> .*\nline 3: model .*\nline 4: <hostdev> .*\nline 5: <hostdev> /,
    );
  });

  test('257 host devices', () => {
    expect(imported(domain('', hostdev('').repeat(256))).descriptor.vm.vfio).toHaveLength(256);
    expect(faultsOf(domain('', hostdev('').repeat(257)))).toMatchObject([{ detail: 'more than 256 host devices' }]);
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
    expect(faultsOf(domain('', dimm.repeat(257)))).toMatchObject([{ detail: 'more than 256 memory devices' }]);
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
