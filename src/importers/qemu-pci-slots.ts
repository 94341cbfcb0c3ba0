import type { Board } from './qemu-command-line.ts';

/** What of a `-device` decides where it is plugged. */
export interface Pluggable {
  readonly type: string;
  readonly id?: string | undefined;
  /** `bus=` and `addr=`, as given. */
  readonly bus?: string | undefined;
  readonly addr?: string | undefined;
  /** `bus_nr=` and `bypass_iommu=` of an extra root bus. */
  readonly busNumber?: number | undefined;
  readonly bypassIommu?: boolean | undefined;
}

/** The bus that a device sits on. */
export interface PciBus {
  /** The name of the root bus that it hangs off. */
  readonly root: string;
  /** Whether that is an extra root bus that bypasses the vIOMMU; `undefined` for the machine's own. */
  readonly bypassIommu: boolean | undefined;
  /** Whether there is a conventional PCI bridge on the way. */
  readonly behindPciBridge: boolean;
}

export interface PciPlace {
  readonly bus: PciBus;
  /** QEMU's path of the device (pcibus_get_dev_path), such as "0000:00:01.0"; absent where its slot is not known. */
  readonly path?: string;
}

interface Bus extends PciBus {
  /** Of what leads to the bus; absent where that is not known. */
  readonly path: string | undefined;
  /** Occupied: slot and function, as `devfn`. */
  readonly taken: Set<number>;
  /** Whether QEMU's choice of a slot can be told. */
  isExact: boolean;
}

const SLOTS = 32;
const devfn = (slot: number, fn = 0): number => slot * 8 + fn;

/** The root bus of each board, and the slots that its own devices take. */
const ROOTS: Readonly<Record<Board, { readonly name: string; readonly slots: readonly number[] } | undefined>> = {
  q35: { name: 'pcie.0', slots: [0, 0x1f] },
  i440fx: { name: 'pci.0', slots: [0, 1] },
  virt: { name: 'pcie.0', slots: [0] },
  none: undefined,
  unknown: undefined,
};

/** The PCI buses of a machine, and which slots of them are taken as QEMU realizes one device after the other. */
export class PciSlots {
  readonly #buses = new Map<string, Bus>();
  readonly #root: Bus | undefined;
  /** An extra root bus is found first by a device that names none. */
  #hasExtraRoot = false;

  readonly #isPlaced: boolean;

  /**
   * `builtIn` counts the devices that the board adds in front of any `-device`, each on the next free slot. Unless they are
   * all placed, a device that names neither bus nor slot gets both from somebody else than QEMU.
   */
  constructor(board: Board, builtIn: number, isPlaced = true) {
    this.#isPlaced = isPlaced;
    const root = ROOTS[board];
    if (!root) return;
    const taken = new Set(root.slots.map((slot) => devfn(slot)));
    const bus = {
      root: root.name,
      bypassIommu: undefined,
      behindPciBridge: false,
      path: '0000:00',
      taken,
      isExact: true,
    };
    this.#root = bus;
    this.#buses.set(root.name, bus);
    for (let index = 0; index < builtIn; index++) takeFree(bus);
  }

  /** Plugs `device`, the next in order; `undefined` where it is no PCI device, or on a bus that is not known. */
  plug(device: Pluggable): PciPlace | undefined {
    const { type, addr } = device;
    const isPci = isPciDevice(type) ?? (addr !== undefined || this.#buses.has(device.bus ?? ''));
    if (!isPci && isPciDevice(type) === undefined && device.bus === undefined && this.#root) this.#root.isExact = false;
    if (!isPci || (!this.#isPlaced && device.bus === undefined && addr === undefined)) return undefined;
    const bus = this.#busOf(device);
    if (!bus) return undefined;
    const slot = addr === undefined ? (bus.isExact ? takeFree(bus) : undefined) : takeGiven(bus, addr);
    if (slot === undefined) bus.isExact = false;
    const path = bus.path === undefined || slot === undefined ? undefined : `${bus.path}:${slotText(slot)}`;
    this.#addBus(device, bus, path);
    return { bus, ...(path !== undefined && { path }) };
  }

  #busOf({ bus }: Pluggable): Bus | undefined {
    if (bus !== undefined) return this.#buses.get(bus);
    if (this.#hasExtraRoot) return undefined;
    return this.#root;
  }

  /** A bridge, a port or an extra root bus gives its id to the bus behind it. */
  #addBus({ type, id, busNumber, bypassIommu }: Pluggable, bus: Bus, path: string | undefined): void {
    const isExtraRoot = EXTRA_ROOTS.has(type);
    const isConventional = CONVENTIONAL_BRIDGES.has(type);
    if (isExtraRoot) this.#hasExtraRoot = true;
    if (id === undefined || !(isExtraRoot || isConventional || PORTS.has(type))) return;
    const number = (busNumber ?? 0).toString(16).padStart(2, '0');
    this.#buses.set(id, {
      root: isExtraRoot ? id : bus.root,
      bypassIommu: isExtraRoot ? bypassIommu === true : bus.bypassIommu,
      behindPciBridge: bus.behindPciBridge || isConventional,
      // What sits on a "pxb" sits behind a bridge that comes with it.
      path: isExtraRoot ? (type === 'pxb' ? `0000:${number}:00.0` : `0000:${number}`) : path,
      taken: new Set(),
      // The first slot of a bridge with a hot-plug controller (SHPC) is not for devices.
      isExact: !isConventional,
    });
  }
}

/** pci_register_device: the first slot whose function 0 is free. */
function takeFree({ taken }: Bus): number | undefined {
  for (let slot = 0; slot < SLOTS; slot++) {
    if (taken.has(devfn(slot))) continue;
    taken.add(devfn(slot));
    return devfn(slot);
  }
  return undefined;
}

/** `addr=` is "slot" or "slot.function" in hexadecimal; as a number in JSON it is 8 × slot + function. */
function takeGiven(bus: Bus, addr: string): number | undefined {
  const { slot, fn = '0' } = /^(?:0x)?(?<slot>[\da-f]{1,2})(?:\.(?:0x)?(?<fn>[0-7]))?$/i.exec(addr)?.groups ?? {};
  const number = slot === undefined ? SLOTS : Number.parseInt(slot, 16);
  if (number >= SLOTS) return undefined;
  bus.taken.add(devfn(number, Number(fn)));
  return devfn(number, Number(fn));
}

const slotText = (number: number): string => `${(number >> 3).toString(16).padStart(2, '0')}.${number & 7}`;

const EXTRA_ROOTS: ReadonlySet<string> = new Set(['pxb-pcie', 'pxb', 'pxb-cxl']);

const CONVENTIONAL_BRIDGES: ReadonlySet<string> = new Set([
  'pci-bridge',
  'pci-bridge-seat',
  'pcie-pci-bridge',
  'i82801b11-bridge',
]);

const PORTS: ReadonlySet<string> = new Set([
  'pcie-root-port',
  'ioh3420',
  'x3130-upstream',
  'xio3130-downstream',
  'cxl-rp',
  'cxl-upstream',
  'cxl-downstream',
]);

/** QEMU's PCI devices whose names do not end in "-pci". */
const PCI_DEVICES: ReadonlySet<string> = new Set(
  [
    'vfio-pci-nohotplug vfio-user-pci pcie-root-port ioh3420 x3130-upstream xio3130-downstream pci-bridge pcie-pci-bridge',
    'pci-bridge-seat i82801b11-bridge pxb pxb-pcie pxb-cxl cxl-rp cxl-upstream cxl-downstream cxl-type3 AMDVI-PCI',
    'e1000 e1000-82544gc e1000-82545em e1000e igb rtl8139 ne2k_pci pcnet vmxnet3 tulip sungem sunhme rocker',
    'i82550 i82551 i82557a i82557b i82557c i82558a i82558b i82559a i82559b i82559c i82559er i82562 i82801',
    'nvme ufs ahci ich9-ahci piix3-ide piix4-ide cmd646-ide via-ide megasas megasas-gen2 mptsas1068 pvscsi',
    'lsi53c810 lsi53c895a am53c974 dc390 sdhci-pci qemu-xhci nec-usb-xhci usb-ehci ich9-usb-ehci1 ich9-usb-ehci2',
    'ich9-usb-uhci1 ich9-usb-uhci2 ich9-usb-uhci3 ich9-usb-uhci4 ich9-usb-uhci5 ich9-usb-uhci6 piix3-usb-uhci',
    'piix4-usb-uhci vt82c686b-usb-uhci pci-ohci pci-serial pci-serial-2x pci-serial-4x pci-testdev pci-ipmi-kcs pci-ipmi-bt',
    'VGA secondary-vga cirrus-vga qxl qxl-vga vmware-svga bochs-display ati-vga sm501 virtio-vga virtio-vga-gl',
    'virtio-vga-rutabaga vhost-user-vga ivshmem-plain ivshmem-doorbell edu intel-hda ich9-intel-hda AC97 ES1370',
    'i6300esb tpci200 kvaser_pci ctucan_pci mioe3680_pci pcm3680_pci x-pci-proxy-dev igd-passthrough-isa-bridge',
    'vfio-pci-igd-lpc-bridge pci-bar-test',
  ].flatMap((line) => line.split(' ')),
);

/** Names of devices that sit on other buses, or on none. */
const NOT_PCI =
  /^(?:usb-|u2f-|ccid-card-|scsi-|ide-|isa-|hda-|nvme-|virtserialport$|virtconsole$|pc-dimm$|nvdimm$|tpm-|sga$|floppy$|.*-cpu(?:-|$)|v(?:irtio|host)-.*-device$|.*-iommu$|arm-smmuv3$|vfio-(?:ap|ccw)|.*loader$|pvpanic$|vmgenid$|vmcoreinfo$|vmclock$|vmbus-|hv-|hyperv-|ramfb$|ipmi-|adlib$|cs4231a$|gus$|sb16$|ne2k_isa$|i8042$|vmmouse$|vmport$|amd-|.*-ccw$|ib700$|.*-tpm$)/;

/** `undefined` for a name that does not tell. */
function isPciDevice(type: string): boolean | undefined {
  if (/-pci(?:-(?:non-)?transitional)?$/.test(type) || PCI_DEVICES.has(type)) return true;
  return NOT_PCI.test(type) ? false : undefined;
}
