import type { CommandLine } from './qemu-command-line.ts';
import type { QemuDevice } from './qemu-device-list.ts';
import { integerOf, type OptionValue, parseOptions, switchOf, textOf } from './qemu-options.ts';
import { type PciBus, type PciPlace, PciSlots, type Pluggable } from './qemu-pci-slots.ts';
import { isUsbDevice, UsbPorts } from './qemu-usb-ports.ts';

/** A device where QEMU plugs it. */
export interface PluggedDevice {
  readonly device: QemuDevice;
  /** The PCI bus, where it sits on one that is known. */
  readonly bus: PciBus | undefined;
  /** QEMU's path of it in messages, such as "0000:00:01.0/nvme"; `undefined` where that is not known. */
  readonly path: string | undefined;
}

/** Plugs `devices` one after the other, as QEMU realizes them, after what the board makes by itself. */
export function plugged(devices: readonly QemuDevice[], line: CommandLine): PluggedDevice[] {
  const [slots, ports] = [new PciSlots(line.board, builtInDevices(devices, line), line.isPlaced), new UsbPorts()];
  return devices.map((device) => {
    const { type } = device;
    const place = slots.plug(pluggable(device, line));
    addController(device, place, ports, line);
    const [bus, port] = [textOf(device, 'bus'), textOf(device, 'port')];
    const isPlugged = line.isPlaced || port !== undefined;
    const where = !isUsbDevice(type) ? place?.path : isPlugged ? ports.plug(type, bus, port) : undefined;
    return { device, bus: place?.bus, path: pathOf(type, where) };
  });
}

/** Devices that stand in for the display adapter that a board would have by itself. */
const DISPLAYS = /^(?:isa-)?(?:VGA|vga|cirrus-vga|vmware-svga|qxl-vga|virtio-vga.*|ati-vga|vhost-user-vga)$/;

/** How many PCI devices the board makes before the first `-device`: a display adapter, and network cards. */
function builtInDevices(devices: readonly QemuDevice[], { all, board, remarks }: CommandLine): number {
  const hasDefaults = all('nodefaults').length === 0;
  const hasOwnDisplay = hasDefaults && board !== 'virt' && !devices.some(({ type }) => DISPLAYS.test(type));
  const vga = all('vga').at(-1)?.text;
  const displays = vga === undefined ? hasOwnDisplay : vga !== 'none';
  const cards = [
    ...all('nic').filter(({ text }) => text !== 'none'),
    ...all('net').filter((at) => textOf(parseOptions(at, 'type', remarks), 'type') === 'nic'),
  ];
  const isLeftToQemu = hasDefaults && all('netdev', 'nic', 'net').length === 0;
  return Number(displays) + (isLeftToQemu ? 1 : cards.length);
}

function pluggable(device: QemuDevice, { remarks }: CommandLine): Pluggable {
  const { type, id, values } = device;
  // Without one of its own, an amd-iommu makes the PCI device by which a guest finds it.
  if (type === 'amd-iommu' && !values.has('pci-id')) return { type: 'AMDVI-PCI' };
  const isExtraRoot = type.startsWith('pxb');
  return {
    type,
    id,
    bus: textOf(device, 'bus'),
    addr: slotOf(values.get('addr')),
    busNumber: isExtraRoot ? integerOf(device, 'bus_nr', [0, 255], remarks) : undefined,
    bypassIommu: isExtraRoot ? switchOf(device, 'bypass_iommu', remarks) : undefined,
  };
}

/** As a number, in JSON, `addr` is 8 × slot + function; −1 leaves it to QEMU. */
function slotOf(addr: OptionValue | undefined): string | undefined {
  if (typeof addr !== 'number') return addr === undefined ? undefined : String(addr);
  return addr < 0 ? undefined : `${(addr >> 3).toString(16)}.${addr & 7}`;
}

/** xHCI has as many ports as its USB 2 or its USB 3 has more of. */
const XHCI_PORTS = 4;

function addController(
  device: QemuDevice,
  place: PciPlace | undefined,
  ports: UsbPorts,
  { remarks }: CommandLine,
): void {
  const { type, id, values } = device;
  // A companion lends its ports to its master.
  if (place === undefined || values.has('masterbus')) return;
  const counts = ['p2', 'p3', 'num-ports'].flatMap((key) => integerOf(device, key, [1, 255], remarks) ?? []);
  const least = type.endsWith('-xhci') && counts.length === 1 ? XHCI_PORTS : 0;
  ports.addController(type, id, place.path, counts.length > 0 ? Math.max(...counts, least) : undefined);
}

/** Devices that no bus gives a path to. */
const ON_NO_BUS: ReadonlySet<string> = new Set(['amd-iommu', 'hv-syndbg']);

function pathOf(type: string, where: string | undefined): string | undefined {
  if (ON_NO_BUS.has(type)) return type;
  return where === undefined ? undefined : `${where}/${stateName(type)}`.slice(0, 256);
}

/** Devices whose state QEMU calls by another name than their type. */
const STATE_NAMES: ReadonlyMap<string, string> = new Map([
  ['virtio-sound-pci', 'virtio-sound-device'],
  ['usb-wacom-tablet', 'usb-wacom'],
  ['usb-braille', 'usb-serial'],
]);

/** A virtio device's state is that of the device behind its PCI proxy. */
const stateName = (type: string): string =>
  STATE_NAMES.get(type) ??
  (/^v(?:irtio|host)-/.test(type) ? type.replace(/-pci(?:-(?:non-)?transitional)?$/, '') : type);
