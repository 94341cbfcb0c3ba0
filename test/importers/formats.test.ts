import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { check } from '../../src/descriptor/check.ts';
import { type Descriptor, descriptor as schema } from '../../src/descriptor/schema.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { type Format, importDocument, sniffFormat } from '../../src/importers/index.ts';

/** A device that sits in a root port of its own, and what it is in each format. */
interface Plugged {
  readonly xml: (place: string) => string;
  /** Options before that of the device, and what of the device is not its place. */
  readonly argv: { readonly before?: readonly string[]; readonly device: Record<string, unknown> };
  readonly json: { readonly type: string; readonly id: string; readonly properties?: Record<string, string | boolean> };
  /** What QEMU calls its state. */
  readonly state: string;
}

/** Devices beside VFIO's, in the order in which libvirt lists them: some before those, some behind. */
const BEFORE: readonly Plugged[] = [
  {
    xml: (place) =>
      `<filesystem type='mount'><source dir='/srv'/><target dir='data'/><alias name='fs0'/>${place}</filesystem>`,
    argv: {
      before: ['-fsdev', 'local,id=fsdev-fs0,path=/srv'],
      device: { driver: 'virtio-9p-pci', id: 'fs0', fsdev: 'fsdev-fs0', mount_tag: 'data' },
    },
    json: { type: 'virtio-9p-pci', id: 'fs0', properties: { mount_tag: 'data', 'fsdev.path': '/srv' } },
    state: 'virtio-9p',
  },
  {
    xml: (place) =>
      `<interface type='vhostuser'><source type='unix' path='/s'/><model type='virtio'/><alias name='net0'/>${place}</interface>`,
    argv: {
      before: ['-netdev', '{"type":"vhost-user","chardev":"charnet0","id":"hostnet0"}'],
      device: { driver: 'virtio-net-pci', netdev: 'hostnet0', id: 'net0', mac: '52:54:00:00:00:01' },
    },
    json: { type: 'virtio-net-pci', id: 'net0', properties: { 'netdev.type': 'vhost-user' } },
    state: 'virtio-net',
  },
  {
    xml: (place) => `<sound model='virtio'><alias name='sound0'/>${place}</sound>`,
    argv: { device: { driver: 'virtio-sound-pci', id: 'sound0', audiodev: 'audio1' } },
    json: { type: 'virtio-sound-pci', id: 'sound0' },
    state: 'virtio-sound-device',
  },
];
const BEHIND: readonly Plugged[] = [
  {
    xml: (place) =>
      `<shmem name='shared' role='peer'><model type='ivshmem-plain'/><alias name='shmem0'/>${place}</shmem>`,
    argv: { device: { driver: 'ivshmem-plain', id: 'shmem0', memdev: 'shmmem-shmem0', master: 'off' } },
    json: { type: 'ivshmem-plain', id: 'shmem0', properties: { master: false } },
    state: 'ivshmem-plain',
  },
  {
    xml: (place) => `<crypto model='virtio'><backend model='builtin'/><alias name='crypto0'/>${place}</crypto>`,
    argv: { device: { driver: 'virtio-crypto-pci', id: 'crypto0', cryptodev: 'objcrypto0' } },
    json: { type: 'virtio-crypto-pci', id: 'crypto0' },
    state: 'virtio-crypto',
  },
];

interface HostDevice {
  readonly isMediated: boolean;
  readonly isIommufd: boolean;
  readonly enableMigration: 'on' | 'off' | 'auto' | undefined;
  readonly deviceDirtyTracking: 'on' | 'off' | undefined;
  readonly isFailover: boolean;
}

/** A VM, in no format. */
interface Vm {
  readonly machine: string;
  readonly gibibytes: number;
  readonly nodes: 1 | 2;
  readonly iommu: 'none' | 'intel' | 'virtio' | 'amd';
  readonly awBits: 39 | 48 | undefined;
  readonly cachingMode: boolean;
  readonly hosts: readonly HostDevice[];
  readonly before: readonly Plugged[];
  readonly behind: readonly Plugged[];
  readonly vmdk: boolean;
  readonly cpu: 'plain' | 'invtsc' | 'hv-passthrough';
  readonly security: 'none' | 'sev' | 'sev-snp';
}

const vms: fc.Arbitrary<Vm> = fc.record({
  machine: fc.constantFrom('pc-q35-8.1', 'pc-q35-9.2', 'pc-q35-10.2', 'pc-q35-11.1'),
  gibibytes: fc.constantFrom(2, 4, 64, 8192, 8194, 12288, 16384),
  nodes: fc.constantFrom(1, 2),
  iommu: fc.constantFrom('none', 'intel', 'virtio', 'amd'),
  awBits: fc.constantFrom(39, 48, undefined),
  cachingMode: fc.boolean(),
  hosts: fc.array(
    fc.record({
      isMediated: fc.boolean(),
      isIommufd: fc.boolean(),
      enableMigration: fc.constantFrom('on', 'off', 'auto', undefined),
      deviceDirtyTracking: fc.constantFrom('on', 'off', undefined),
      isFailover: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
  before: fc.subarray([...BEFORE]),
  behind: fc.subarray([...BEHIND]),
  vmdk: fc.boolean(),
  cpu: fc.constantFrom('plain', 'invtsc', 'hv-passthrough'),
  security: fc.constantFrom('none', 'none', 'sev', 'sev-snp'),
});

const uuid = (index: number): string => `4b20d080-1b54-4048-85b3-a6a62d165c0${index}`;
const isOnIommufd = (host: HostDevice): boolean => host.isIommufd && !host.isMediated;
const isUnplugged = (host: HostDevice): boolean => host.isFailover && !host.isMediated;
const ports = ({ before, hosts, behind }: Vm): number[] =>
  Array.from({ length: before.length + hosts.length + behind.length }, (_, index) => index + 1);

/** What sits in the root port of each number, counted from 1. */
function xmlOf(vm: Vm): string {
  let port = 0;
  const place = (): string => `<address type='pci' domain='0x0000' bus='0x0${++port}' slot='0x00' function='0x0'/>`;
  const hosts = (): string =>
    vm.hosts
      .map((host, index) => {
        const alias = `<alias name='hostdev${index}'/>${place()}`;
        const driver = isOnIommufd(host) ? "<driver iommufd='yes'/>" : '';
        const teaming = isUnplugged(host) ? "<teaming type='transient' persistent='ua-pair'/>" : '';
        return host.isMediated
          ? `<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='${uuid(index)}'/></source>${alias}</hostdev>`
          : `<hostdev mode='subsystem' type='pci' managed='yes'>${driver}<source><address domain='0x0000' bus='0x3b' slot='0x0${index}' function='0x1'/></source>${teaming}${alias}</hostdev>`;
      })
      .join('');
  const overrides = vm.hosts
    .map(({ enableMigration, deviceDirtyTracking }, index) => {
      const property = (name: string, value: string | undefined): string =>
        value === undefined ? '' : `<qemu:property name='${name}' type='string' value='${value}'/>`;
      return `<qemu:device alias='hostdev${index}'><qemu:frontend>${property('enable-migration', enableMigration)}${property(
        'x-device-dirty-page-tracking',
        deviceDirtyTracking,
      )}</qemu:frontend></qemu:device>`;
    })
    .join('');
  const attributes = [
    vm.iommu === 'intel' ? `caching_mode='${vm.cachingMode ? 'on' : 'off'}'` : '',
    vm.awBits === undefined || vm.iommu === 'amd' ? '' : `aw_bits='${vm.awBits}'`,
  ].join(' ');
  const address = vm.iommu === 'intel' ? '' : "<address type='pci' bus='0x00' slot='0x1e'/>";
  const cell = `<cell memory='${vm.gibibytes / 2}' unit='GiB'/>`;
  const numa = vm.nodes === 2 ? `<numa>${cell}${cell}</numa>` : '';
  const invtsc = vm.cpu === 'invtsc' ? "<feature policy='require' name='invtsc'/>" : '';
  return `<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>vm</name>
  <memory unit='GiB'>${vm.gibibytes}</memory>
  <os><type arch='x86_64' machine='${vm.machine}'>hvm</type></os>
  <features>${vm.cpu === 'hv-passthrough' ? "<hyperv mode='passthrough'/>" : ''}<ioapic driver='qemu'/></features>
  <cpu mode='custom'><model>EPYC</model>${numa}${invtsc}</cpu>
  <devices>
    <controller type='pci' index='0' model='pcie-root'/>
    ${ports(vm)
      .map(
        (index) =>
          `<controller type='pci' index='${index}' model='pcie-root-port'><address type='pci' bus='0x00' slot='0x${index.toString(16)}'/></controller>`,
      )
      .join('\n    ')}
    ${vm.vmdk ? "<disk type='file'><driver type='vmdk'/><source file='/d' index='1'/><target dev='sda' bus='sata'/><alias name='sata0-0-0'/><address type='drive'/></disk>" : ''}
    ${vm.before.map(({ xml }) => xml(place())).join('\n    ')}
    ${hosts()}
    ${vm.behind.map(({ xml }) => xml(place())).join('\n    ')}
    ${vm.iommu === 'none' ? '' : `<iommu model='${vm.iommu}'><driver ${attributes}/><alias name='iommu0'/>${address}</iommu>`}
  </devices>
  ${vm.security === 'none' ? '' : `<launchSecurity type='${vm.security}'><policy>0x3</policy></launchSecurity>`}
  <qemu:override>${overrides}</qemu:override>
</domain>`;
}

/** As libvirt would start it; in one shell line. */
function argvOf(vm: Vm): string {
  let port = 0;
  const place = (): object => ({ bus: `pci.${++port}`, addr: '0x0' });
  const device = (says: object): string[] => ['-device', JSON.stringify(says)];
  const object = (says: object): string[] => ['-object', JSON.stringify(says)];
  const plugged = (list: readonly Plugged[]): string[] =>
    list.flatMap(({ argv: { before = [], device: says } }) => [...before, ...device({ ...says, ...place() })]);
  const hosts = (): string[] =>
    vm.hosts.flatMap((host, index) =>
      device({
        driver: 'vfio-pci',
        ...(host.isMediated
          ? { sysfsdev: `/sys/bus/mdev/devices/${uuid(index)}` }
          : isOnIommufd(host)
            ? { iommufd: 'iommufd0', fd: `${30 + index}` }
            : { host: `0000:3b:0${index}.1` }),
        id: `hostdev${index}`,
        ...(isUnplugged(host) && { failover_pair_id: 'ua-pair' }),
        ...place(),
        'enable-migration': host.enableMigration,
        'x-device-dirty-page-tracking': host.deviceDirtyTracking,
      }),
    );
  const awBits = vm.awBits === undefined ? {} : { 'aw-bits': vm.awBits };
  const iommu = {
    none: [],
    intel: device({ driver: 'intel-iommu', id: 'iommu0', 'caching-mode': vm.cachingMode, ...awBits }),
    virtio: device({ driver: 'virtio-iommu', id: 'iommu0', bus: 'pcie.0', addr: '0x1e', ...awBits }),
    amd: [
      ...device({ driver: 'AMDVI-PCI', id: 'iommu0', bus: 'pcie.0', addr: '0x1e' }),
      ...device({ driver: 'amd-iommu', 'pci-id': 'iommu0' }),
    ],
  }[vm.iommu];
  const ram = (id: string, gibibytes: number): string[] =>
    object({ 'qom-type': 'memory-backend-ram', id, size: gibibytes * 2 ** 30 });
  const node = (index: number): string[] => [
    ...ram(`ram-node${index}`, vm.gibibytes / 2),
    '-numa',
    `node,nodeid=${index},memdev=ram-node${index}`,
  ];
  const image = [
    '-blockdev',
    '{"driver":"file","filename":"/d","node-name":"libvirt-1-storage"}',
    '-blockdev',
    '{"node-name":"libvirt-1-format","driver":"vmdk","file":"libvirt-1-storage"}',
    ...device({ driver: 'ide-hd', bus: 'ide.0', drive: 'libvirt-1-format', id: 'sata0-0-0' }),
  ];
  const security = vm.security === 'none' ? '' : ',confidential-guest-support=lsec0';
  const backend = vm.nodes === 1 ? ',memory-backend=pc.ram' : '';
  const cpu = { plain: '', invtsc: ',invtsc=on', 'hv-passthrough': ',hv-passthrough=on' }[vm.cpu];
  const words = [
    `/usr/bin/qemu-system-x86_64 -name guest=vm,debug-threads=on -S -accel kvm -cpu EPYC${cpu}`,
    `-machine ${vm.machine},usb=off,kernel_irqchip=split,dump-guest-core=off${backend}${security}`,
    `-m size=${vm.gibibytes * 2 ** 20}k -display none -no-user-config -nodefaults`,
  ].flatMap((part) => part.split(' '));
  const rest = [
    ...(vm.nodes === 1 ? ram('pc.ram', vm.gibibytes) : [...node(0), ...node(1)]),
    ...iommu,
    ...ports(vm).flatMap((index) =>
      device({ driver: 'pcie-root-port', id: `pci.${index}`, bus: 'pcie.0', addr: `0x${index.toString(16)}` }),
    ),
    ...(vm.vmdk ? image : []),
    ...plugged(vm.before),
    ...(vm.hosts.some(isOnIommufd) ? object({ 'qom-type': 'iommufd', id: 'iommufd0', fd: '29' }) : []),
    ...hosts(),
    ...(vm.security === 'none' ? [] : object({ 'qom-type': `${vm.security}-guest`, id: 'lsec0', policy: 3 })),
    ...plugged(vm.behind),
  ];
  return [...words, ...rest].map((word) => (/^[\w./,=-]+$/.test(word) ? word : `'${word}'`)).join(' ');
}

/** By hand. */
function jsonOf(vm: Vm): string {
  let port = 0;
  const gibibytes = (count: number): string => `${count}GiB`;
  const [iommus, disks] = [{ none: 0, intel: 1, virtio: 1, amd: 2 }[vm.iommu], vm.vmdk ? 1 : 0];
  let position = iommus + ports(vm).length + disks;
  const plug = ({ json, state }: Plugged): object => {
    const slot = (++port).toString(16).padStart(2, '0');
    return { ...json, path: `0000:00:${slot}.0:00.0/${state}`, position: position++ };
  };
  const before = vm.before.map(plug);
  const vfio = vm.hosts.map((host, index) => ({
    id: `hostdev${index}`,
    ...(host.isMediated && { type: 'mdev' }),
    host: host.isMediated ? uuid(index) : isOnIommufd(host) ? `hostdev${index}` : `0000:3b:0${index}.1`,
    ...(isOnIommufd(host) && { backend: 'iommufd', iommufdObject: 'iommufd0' }),
    ...(isUnplugged(host) && { unpluggedForMigration: true }),
    enableMigration: host.enableMigration,
    deviceDirtyTracking: host.deviceDirtyTracking,
    address: { bus: `pci.${++port}` },
    position: position++,
  }));
  const behind = vm.behind.map(plug);
  const backends = vm.nodes === 1 ? [vm.gibibytes] : [vm.gibibytes / 2, vm.gibibytes / 2];
  const viommu = {
    none: undefined,
    intel: { model: 'intel', cachingMode: vm.cachingMode, addressWidth: vm.awBits },
    virtio: { model: 'virtio', addressWidth: vm.awBits },
    amd: { model: 'amd', pciId: 'iommu0' },
  }[vm.iommu];
  return JSON.stringify({
    vm: {
      name: 'vm',
      machine: vm.machine,
      accel: 'kvm',
      kernelIrqchip: 'split',
      memory: gibibytes(vm.gibibytes),
      memoryBackends: backends.map((size) => ({ size: gibibytes(size), guestMemfd: vm.security === 'sev-snp' })),
      cpu: { plain: {}, invtsc: { invtsc: true }, 'hv-passthrough': { hvPassthrough: true } }[vm.cpu],
      confidential: vm.security,
      viommu,
      vfio,
      otherDevices: [
        ...(vm.iommu === 'amd' ? [{ type: 'AMDVI-PCI', id: 'iommu0', position: 0 }] : []),
        ...ports(vm).map((index) => ({ type: 'pcie-root-port', id: `pci.${index}`, position: iommus + index - 1 })),
        ...(vm.vmdk ? [{ type: 'ide-hd', id: 'sata0-0-0', position: iommus + ports(vm).length }] : []),
        ...before,
        ...behind,
      ],
      disks: vm.vmdk ? [{ node: 'libvirt-1-format', format: 'vmdk' }] : [],
    },
    source: {},
  });
}

/** What no format says of the host. */
const HOSTS: readonly Descriptor['source'][] = [
  { qemu: '8.1', kernel: '6.6' },
  { qemu: '9.2.0', kernel: '6.12', iommu: { dirtyTracking: true }, memory: '32TiB' },
  { qemu: '10.2.2', kernel: '6.12', iommu: { dirtyTracking: false } },
  { qemu: '11.1.3', kernel: '7.1', iommu: { dirtyTracking: true } },
  {},
];

/** The decision on what `text` says, but for where it was read: pointers, origins, and the address of the input itself. */
function decisionOn(format: Format, text: string, source: Descriptor['source']): string {
  const { descriptor, notes } = importDocument(format, text);
  const whole = { ...schema.parse(descriptor), source };
  expect(check(whole)).toStrictEqual([]);
  const decision = evaluate(whole, { notChecked: notes, decides: false });
  return JSON.stringify(
    decision,
    (key, value: unknown) => (/^(?:decisionId|evidence|pointer|origin)$/.test(key) ? undefined : value),
    1,
  );
}

describe('one VM in several formats', () => {
  test('is decided alike: byte for byte, but for where it was read', () => {
    fc.assert(
      fc.property(vms, fc.constantFrom(...HOSTS), (vm, host) => {
        const ofXml = decisionOn('libvirt-xml', xmlOf(vm), host);
        expect(decisionOn('qemu-argv', argvOf(vm), host)).toBe(ofXml);
        expect(decisionOn('descriptor', jsonOf(vm), host)).toBe(ofXml);
      }),
      { numRuns: 150 },
    );
  });

  test('is one and the same descriptor, from XML and from the command line that libvirt makes of it', () => {
    fc.assert(
      fc.property(vms, (vm) => {
        const known = new Set(['netdev.type', 'mount_tag', 'fsdev.path', 'master']);
        const read = (format: Format, text: string): object => {
          const { descriptor } = importDocument(format, text);
          const otherDevices = descriptor.vm.otherDevices?.map(({ properties = {}, ...rest }) => ({
            ...rest,
            properties: Object.fromEntries(Object.entries(properties).filter(([name]) => known.has(name))),
          }));
          return { ...descriptor, vm: { ...descriptor.vm, otherDevices } };
        };
        expect(read('qemu-argv', argvOf(vm))).toStrictEqual(read('libvirt-xml', xmlOf(vm)));
      }),
    );
  });

  test('the formats are told apart', () => {
    fc.assert(
      fc.property(vms, (vm) => {
        expect(sniffFormat(xmlOf(vm))).toBe('libvirt-xml');
        expect(sniffFormat(argvOf(vm))).toBe('qemu-argv');
        expect(sniffFormat(jsonOf(vm))).toBe('descriptor');
      }),
      { numRuns: 20 },
    );
  });
});
