import { describe, expect, test } from 'vitest';
import type { VmDescriptor } from '../../src/descriptor/schema.ts';
import { importDocument } from '../../src/importers/index.ts';

/** A PCI address in the guest. */
const at = (bus: string, slot: string, fn = '0'): string =>
  `<address type='pci' domain='0x0000' bus='0x${bus}' slot='0x${slot}' function='0x${fn}'/>`;

const domain = (devices: string, machine = 'pc-q35-10.0', arch = 'x86_64'): string =>
  `<domain type='kvm'><memory unit='GiB'>1</memory><os><type arch='${arch}' machine='${machine}'>hvm</type></os>` +
  `<devices>${devices}</devices></domain>`;

const vmOf = (devices: string, machine?: string, arch?: string): VmDescriptor =>
  importDocument('libvirt-xml', domain(devices, machine, arch)).descriptor.vm;

/** The types of the devices that QEMU gets for `devices`. */
const typesOf = (devices: string, machine?: string, arch?: string): string[] =>
  (vmOf(devices, machine, arch).otherDevices ?? []).map(({ type }) => type);

describe('what QEMU is started with for a device', () => {
  test.each<[device: string, types: string[]]>([
    ["<controller type='pci' index='0' model='pcie-root'/>", []],
    ["<controller type='pci' index='1' model='pcie-root-port'/>", ['pcie-root-port']],
    ["<controller type='pci' index='1' model='pcie-root-port'><model name='ioh3420'/></controller>", ['ioh3420']],
    ["<controller type='pci' index='1' model='pcie-switch-upstream-port'/>", ['x3130-upstream']],
    ["<controller type='pci' index='1' model='pcie-switch-downstream-port'/>", ['xio3130-downstream']],
    ["<controller type='pci' index='1' model='pcie-expander-bus'><target busNr='9'/></controller>", ['pxb-pcie']],
    ["<controller type='pci' index='1' model='pci-expander-bus'><target busNr='9'/></controller>", ['pxb']],
    ["<controller type='pci' index='1' model='pcie-to-pci-bridge'/>", ['pcie-pci-bridge']],
    ["<controller type='pci' index='1' model='dmi-to-pci-bridge'/>", ['i82801b11-bridge']],
    ["<controller type='pci' index='1' model='pci-bridge'/>", ['pci-bridge']],
    ["<controller type='sata' index='0'/><controller type='sata' index='1'/>", ['ahci']],
    ["<controller type='ide' index='0'/>", []],
    ["<controller type='usb' index='0' model='qemu-xhci' ports='15'/>", ['qemu-xhci']],
    ["<controller type='usb' index='0' model='none'/>", []],
    ["<controller type='scsi' index='0' model='virtio-scsi'/>", ['virtio-scsi-pci']],
    ["<controller type='scsi' index='0' model='lsisas1078'/>", ['megasas']],
    ["<controller type='virtio-serial' index='0'/>", ['virtio-serial-pci']],
    ["<controller type='nvme' index='0'><serial>a</serial></controller>", ['nvme']],
    ["<controller type='ccid' index='0'/>", ['usb-ccid']],
    ["<disk type='file'><target dev='vda' bus='virtio'/></disk>", ['virtio-blk-pci']],
    [
      "<disk type='file' model='virtio-transitional'><target dev='vda' bus='virtio'/></disk>",
      ['virtio-blk-pci-transitional'],
    ],
    ["<disk type='vhostuser'><target dev='vda' bus='virtio'/></disk>", ['vhost-user-blk-pci']],
    ["<disk type='file' device='cdrom'><target dev='sda' bus='sata'/></disk>", ['ide-cd']],
    ["<disk type='block' device='lun'><target dev='sda' bus='scsi'/></disk>", ['scsi-block']],
    ["<disk type='file'><target dev='sda' bus='usb'/></disk>", ['usb-storage']],
    ["<disk type='file' device='floppy'><target dev='fda' bus='fdc'/></disk>", ['isa-fdc', 'floppy']],
    ["<disk type='file'><target dev='nvme0n1' bus='nvme'/></disk>", ['nvme-ns']],
    ["<disk type='file'><target dev='sda' bus='sd'/></disk>", []],
    ["<filesystem><driver type='virtiofs'/><target dir='t'/></filesystem>", ['vhost-user-fs-pci']],
    ["<filesystem><source dir='/a'/><target dir='t'/></filesystem>", ['virtio-9p-pci']],
    ["<filesystem><driver type='mtp'/><source dir='/a'/></filesystem>", ['usb-mtp']],
    ["<interface type='bridge'><model type='virtio'/></interface>", ['virtio-net-pci']],
    ["<interface type='user'><model type='usb-net'/></interface>", ['usb-net']],
    ["<interface type='direct'><model type='e1000e'/></interface>", ['e1000e']],
    ["<interface type='vhostuser'><source type='unix'/></interface>", ['virtio-net-pci']],
    ["<smartcard mode='passthrough'/>", ['ccid-card-passthru']],
    ["<serial type='pty'><target type='usb-serial'/></serial>", ['usb-serial']],
    ["<serial type='pty'><target type='isa-serial'><model name='isa-serial'/></target></serial>", ['isa-serial']],
    ["<serial type='pty'><target type='system-serial'><model name='pl011'/></target></serial>", []],
    ["<channel type='unix'><target type='virtio' name='a'/></channel>", ['virtserialport']],
    ["<console type='pty'><target type='serial'/></console>", []],
    ["<console type='pty'><target type='virtio'/></console>", ['virtconsole']],
    ["<tpm model='tpm-crb'><backend type='emulator'/></tpm>", ['tpm-crb']],
    ["<input type='mouse' bus='ps2'/>", []],
    ["<input type='tablet' bus='usb'/>", ['usb-tablet']],
    ["<input type='keyboard' bus='virtio'/>", ['virtio-keyboard-pci']],
    ["<input type='passthrough' bus='virtio'><source evdev='/dev/input/event1'/></input>", ['virtio-input-host-pci']],
    ["<input type='evdev'><source dev='/dev/input/event1'/></input>", []],
    ["<video><model type='none'/></video>", []],
    ["<video><model type='vga'/></video>", ['VGA']],
    ["<video><model type='virtio'/></video><video><model type='virtio'/></video>", ['virtio-vga', 'virtio-gpu-pci']],
    ["<video><model type='virtio'><acceleration accel3d='yes'/></model></video>", ['virtio-vga-gl']],
    [
      "<video><model type='qxl'/></video><video><model type='virtio' primary='yes'><acceleration accel3d='yes'/></model></video>",
      ['qxl', 'virtio-vga-gl'],
    ],
    ["<video><driver name='vhostuser'/><model type='virtio'/></video>", ['vhost-user-vga']],
    ["<sound model='virtio'/>", ['virtio-sound-pci']],
    ["<sound model='usb'/>", ['usb-audio']],
    ["<sound model='ich9'><codec type='micro'/></sound>", ['ich9-intel-hda', 'hda-micro']],
    ["<sound model='ich6'/>", ['intel-hda', 'hda-duplex']],
    ["<sound model='pcspk'/>", []],
    ["<watchdog model='i6300esb'/>", ['i6300esb']],
    ["<watchdog model='itco'/>", []],
    ["<hub type='usb'/>", ['usb-hub']],
    ["<redirdev bus='usb' type='spicevmc'/>", ['usb-redir']],
    ["<hostdev mode='subsystem' type='usb'/>", ['usb-host']],
    ["<hostdev mode='subsystem' type='scsi'/>", ['scsi-generic']],
    [
      "<hostdev mode='subsystem' type='scsi_host'><source protocol='vhost' wwpn='naa.5'/></hostdev>",
      ['vhost-scsi-pci'],
    ],
    ["<memballoon model='virtio'/>", ['virtio-balloon-pci']],
    ["<memballoon model='none'/>", []],
    ["<rng model='virtio-non-transitional'/>", ['virtio-rng-pci-non-transitional']],
    ["<panic model='isa'/><panic model='pvpanic'/><panic model='hyperv'/>", ['pvpanic', 'pvpanic-pci']],
    ["<shmem name='a'><model type='ivshmem-doorbell'/><server/></shmem>", ['ivshmem-doorbell']],
    ["<vsock model='virtio'/>", ['vhost-vsock-pci']],
    ["<crypto model='virtio'><backend model='builtin'/></crypto>", ['virtio-crypto-pci']],
    ["<pstore backend='acpi-erst'/>", ['acpi-erst']],
    ["<iommu model='amd'/>", ['AMDVI-PCI']],
    ["<graphics type='vnc'/><audio id='1' type='none'/><emulator>/usr/bin/qemu-kvm</emulator>", []],
  ])('%s', (devices, types) => {
    expect(typesOf(devices)).toStrictEqual(types);
  });

  test.each<[device: string, types: string[]]>([
    ["<tpm model='tpm-tis'/>", ['tpm-tis-device']],
    ["<video><model type='virtio'/></video>", ['virtio-gpu-pci']],
    ["<memballoon model='virtio'><address type='virtio-mmio'/></memballoon>", ['virtio-balloon-device']],
  ])('on Arm: %s', (devices, types) => {
    expect(typesOf(devices, 'virt-10.0', 'aarch64')).toStrictEqual(types);
  });

  test('on a mainframe devices sit on channels', () => {
    const devices = "<rng model='virtio'><address type='ccw' cssid='0xfe' ssid='0x0' devno='0x0001'/></rng>";
    expect(typesOf(devices, 's390-ccw-virtio', 's390x')).toStrictEqual(['virtio-rng-ccw']);
  });

  test('in libvirt’s order, whatever the order of the document', () => {
    const devices =
      "<crypto model='virtio'/><shmem name='s'/><rng model='virtio'/><memballoon model='virtio'/><hostdev type='usb'/>" +
      "<sound model='ac97'/><video><model type='vga'/></video><input type='tablet' bus='usb'/><tpm model='tpm-tis'/>" +
      "<interface type='bridge'><model type='virtio'/></interface><filesystem/><disk><target bus='virtio'/></disk>" +
      "<controller type='usb' model='qemu-xhci'/><controller type='pci' index='1' model='pcie-root-port'/>";
    expect(typesOf(devices)).toStrictEqual([
      'pcie-root-port',
      'qemu-xhci',
      'virtio-blk-pci',
      'virtio-9p-pci',
      'virtio-net-pci',
      'tpm-tis',
      'usb-tablet',
      'VGA',
      'AC97',
      'usb-host',
      'virtio-balloon-pci',
      'virtio-rng-pci',
      'ivshmem-plain',
      'virtio-crypto-pci',
    ]);
  });

  test('controllers without an index have the next of their type, and companions that of their controller', () => {
    const { otherDevices = [] } = vmOf(
      "<controller type='usb' model='ich9-ehci1'/><controller type='usb' index='0' model='ich9-uhci1'/>" +
        "<controller type='usb' index='0' model='ich9-uhci2'><master startport='2'/></controller>" +
        "<controller type='pci' model='pcie-root'/><controller type='pci' model='pcie-root-port'/>" +
        "<controller type='pci' index='7' model='pcie-root-port'/><controller type='pci' model='pcie-root-port'/>",
    );
    expect(otherDevices.map(({ type, id }) => [type, id])).toStrictEqual([
      ['pcie-root-port', 'pci.1'],
      ['pcie-root-port', 'pci.7'],
      ['pcie-root-port', 'pci.8'],
      ['ich9-usb-ehci1', 'usb'],
      ['ich9-usb-uhci1', undefined],
      ['ich9-usb-uhci2', undefined],
    ]);
  });

  test('what is no device in libvirt: a generation id, and the address of a dump’s notes', () => {
    const xml = domain("<rng model='virtio'/>").replace(
      '<devices>',
      "<genid>43dc0cf8-809b-4adb-9bea-a9abb5f3d90e</genid><features><vmcoreinfo state='on'/></features><devices>",
    );
    const { otherDevices = [] } = importDocument('libvirt-xml', xml).descriptor.vm;
    expect(otherDevices.map(({ type }) => type)).toStrictEqual(['vmgenid', 'virtio-rng-pci', 'vmcoreinfo']);
  });
});

describe('what rules ask of a device', () => {
  test.each<[device: string, properties: object]>([
    ["<tpm model='tpm-tis'><backend type='passthrough'/></tpm>", { 'tpmdev.type': 'passthrough' }],
    ["<tpm model='tpm-tis'><backend type='external'/></tpm>", { 'tpmdev.type': 'emulator' }],
    ["<shmem name='a' role='master'><model type='ivshmem-plain'/></shmem>", { master: true }],
    ["<shmem name='a' role='peer'><model type='ivshmem-plain'/></shmem>", { master: false }],
    ["<filesystem><source dir='/a,b'/><target dir='t'/></filesystem>", { mount_tag: 't', 'fsdev.path': '/a,b' }],
    ["<filesystem><driver type='virtiofs'/><target dir='t'/></filesystem>", { tag: 't' }],
    ["<interface type='vdpa'><source dev='/dev/vhost-vdpa-0'/></interface>", { 'netdev.type': 'vhost-vdpa' }],
    ["<interface type='vhostuser'><model type='virtio'/></interface>", { 'netdev.type': 'vhost-user' }],
    ["<interface type='network'><actual type='direct'/><model type='virtio'/></interface>", { 'netdev.type': 'tap' }],
    [
      "<memory model='virtio-pmem'><target><size unit='GiB'>1</size></target></memory>",
      { 'memdev.size': 1 << 30, 'memdev.qom-type': 'memory-backend-ram' },
    ],
  ])('%s', (device, properties) => {
    const xml = domain(device).replace("<memory unit='GiB'>1", "<memory unit='GiB'>2");
    const [actual] = importDocument('libvirt-xml', xml).descriptor.vm.otherDevices ?? [];
    expect(actual?.properties).toMatchObject(properties);
  });

  test('the namespaces of an NVMe controller name it', () => {
    const { otherDevices } = vmOf(
      "<controller type='nvme' index='1'/><disk><target bus='nvme'/><address type='drive' controller='1' unit='0'/></disk>",
    );
    expect(otherDevices).toStrictEqual([
      { type: 'nvme', id: 'nvme1' },
      { type: 'nvme-ns', id: 'nvme1-0-0', properties: { bus: 'nvme1' } },
    ]);
  });
});

describe('images', () => {
  const disk = (content: string): string => `<disk type='file' device='disk'>${content}<target bus='virtio'/></disk>`;

  test('a running domain has numbered them', () => {
    const top = "<driver type='qcow2'/><source file='/t' index='4'/>";
    const below = "<backingStore type='file' index='9'><format type='vmdk'/><source file='/b'/>";
    expect(
      vmOf(
        disk(
          `${top}${below}<backingStore type='file'><format type='vhdx'/><source index='7'/></backingStore></backingStore>`,
        ),
      ).disks,
    ).toStrictEqual([
      { node: 'libvirt-7-format', format: 'vhdx' },
      { node: 'libvirt-2-format', format: 'vmdk' },
      { node: 'libvirt-4-format', format: 'qcow2' },
    ]);
  });

  test('else they are numbered from the last disk to the first', () => {
    const vdi = disk("<driver type='vdi'/><source file='/a'/>");
    const raw = disk("<driver type='raw'/><source file='/b'/>");
    const empty = disk("<driver type='qcow'/>");
    expect(vmOf(vdi + empty + raw + vdi).disks).toStrictEqual([
      { node: 'libvirt-3-format', format: 'vdi' },
      { node: 'libvirt-1-format', format: 'vdi' },
    ]);
  });

  test('a FAT directory is never written to, and a vhost-user disk has none', () => {
    const fat = disk("<driver type='fat'/><source dir='/a'/>");
    expect(vmOf(`${fat}<disk type='vhostuser'><source path='/s'/><target bus='virtio'/></disk>`).disks).toBe(undefined);
  });
});

describe('where QEMU says a device is', () => {
  const ports = ['2', '3']
    .map(
      (slot, index) =>
        `<controller type='pci' index='${index + 1}' model='pcie-root-port'>${at('00', slot)}</controller>`,
    )
    .join('');
  const root = "<controller type='pci' index='0' model='pcie-root'/>";
  const pathOf = (devices: string, type: string): string | undefined =>
    vmOf(root + ports + devices).otherDevices?.find((each) => each.type === type)?.path;

  test.each([
    [`<crypto model='virtio'>${at('02', '0')}</crypto>`, 'virtio-crypto-pci', '0000:00:03.0:00.0/virtio-crypto'],
    [`<sound model='virtio'>${at('00', '1b', '1')}</sound>`, 'virtio-sound-pci', '0000:00:1b.1/virtio-sound-device'],
    [`<shmem name='a'>${at('01', '0')}</shmem>`, 'ivshmem-plain', '0000:00:02.0:00.0/ivshmem-plain'],
    [
      `<controller type='usb' index='0' model='qemu-xhci'>${at('02', '0')}</controller>` +
        "<sound model='usb'><address type='usb' bus='0' port='1.2'/></sound>",
      'usb-audio',
      '0000:00:03.0:00.0/1.2/usb-audio',
    ],
    ["<crypto model='virtio'/>", 'virtio-crypto-pci', undefined],
    ["<controller type='usb' index='0' model='qemu-xhci'/><sound model='usb'/>", 'usb-audio', undefined],
  ])('%s', (devices, type, path) => {
    expect(pathOf(devices, type)).toBe(path);
  });

  test('behind a conventional bridge, or on another root bus, so far as that decides about the vIOMMU', () => {
    const source = "<source><address bus='0x3b'/></source>";
    const { vfio } = vmOf(
      `${root}<controller type='pci' index='1' model='pcie-to-pci-bridge'>${at('00', '2')}</controller>` +
        `<controller type='pci' index='2' model='pcie-expander-bus'><target busNr='64'/>${at('00', '3')}</controller>` +
        `<controller type='pci' index='3' model='pcie-expander-bus'><target busNr='96'/>${at('00', '4')}</controller>` +
        `<hostdev type='pci'>${source}${at('01', '1')}</hostdev><hostdev type='pci'>${source}${at('02', '0')}</hostdev>` +
        `<hostdev type='pci'>${source}${at('03', '0')}</hostdev><hostdev type='pci'>${source}</hostdev>` +
        "<iommu model='smmuv3'><driver pciBus='2'/></iommu>",
      'virt-10.2',
      'aarch64',
    );
    expect(vfio.map(({ address }) => address)).toStrictEqual([
      { bus: 'pci.1', bypassIommu: true, behindPciBridge: true },
      { bus: 'pci.2', bypassIommu: false },
      { bus: 'pci.3', bypassIommu: true },
      undefined,
    ]);
  });

  test('a device of the host that the guest does not get', () => {
    const source = "<source><address bus='0x3b'/></source>";
    expect(vmOf(`<hostdev type='pci'>${source}<address type='unassigned'/></hostdev>`).vfio).toStrictEqual([]);
  });

  test('a device with ramfb', () => {
    const mdev = "<hostdev type='mdev' model='vfio-pci' ramfb='on'><source><address uuid='u'/></source></hostdev>";
    expect(vmOf(mdev).vfio).toStrictEqual([{ id: 'hostdev0', type: 'mdev', host: 'u' }]);
  });
});
