/** Ports of the controllers that may have USB devices, unless a property says otherwise. */
const CONTROLLERS: ReadonlyMap<string, number> = new Map([
  ['qemu-xhci', 4],
  ['nec-usb-xhci', 4],
  ['usb-ehci', 6],
  ['ich9-usb-ehci1', 6],
  ['ich9-usb-ehci2', 6],
  ['piix3-usb-uhci', 2],
  ['piix4-usb-uhci', 2],
  ['ich9-usb-uhci1', 2],
  ['pci-ohci', 3],
]);

const HUB_PORTS = 8;

/** The most ports that any controller has. */
const PORTS_MAX = 255;

interface UsbBus {
  /** QEMU's path of the controller. */
  readonly path: string;
  /** Free ports, the next first. */
  free: string[];
}

const portsOf = (count: number, prefix = ''): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);

/** Whether a device of this type sits on a USB bus. */
export const isUsbDevice = (type: string): boolean =>
  (type.startsWith('usb-') && !CONTROLLERS.has(type)) || type.startsWith('u2f-');

/** The USB buses of a machine, and which ports of them are free as QEMU realizes one device after the other. */
export class UsbPorts {
  readonly #buses = new Map<string, UsbBus>();

  /** Adds the bus of a controller at `path`; `ports` counts those it was told to have. */
  addController(type: string, id: string | undefined, path: string | undefined, ports: number | undefined): void {
    const usual = CONTROLLERS.get(type);
    if (usual === undefined || path === undefined) return;
    const name = id === undefined ? `usb-bus.${this.#buses.size}` : `${id}.0`;
    this.#buses.set(name, { path, free: portsOf(Math.min(ports ?? usual, PORTS_MAX)) });
  }

  /**
   * QEMU's path of the next USB device; `undefined` where its port is not known. A device for the last free port of a bus
   * gets a hub in front of it (usb_claim_port).
   */
  plug(type: string, busName: string | undefined, port: string | undefined): string | undefined {
    const [only, another] = this.#buses.values();
    const bus = busName === undefined ? (another ? undefined : only) : this.#buses.get(busName);
    if (!bus) return undefined;
    if (port !== undefined) {
      bus.free = bus.free.filter((each) => each !== port);
    } else if (bus.free.length === 1 && type !== 'usb-hub') {
      this.#addHub(bus, bus.free.shift());
    }
    const place = port ?? bus.free.shift();
    if (type === 'usb-hub') this.#addHub(bus, place);
    return place === undefined ? undefined : `${bus.path}/${place}`;
  }

  #addHub(bus: UsbBus, port: string | undefined): void {
    if (port !== undefined) bus.free.push(...portsOf(HUB_PORTS, `${port}.`));
  }
}
