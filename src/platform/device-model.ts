/** A device model whose state QEMU cannot save. */
export interface UnmigratableModel {
  /** What QEMU calls the state, after the device's path. */
  readonly state: string;
  /** The type that QEMU names as it refuses to realize the device: of a virtio device the one behind its proxy. */
  readonly realized: string;
}

/**
 * Device models whose state QEMU marks as unmigratable, by name without the bus. Read in QEMU 10.2.2; all but scmi and
 * riscv-iommu-pci were found in 11.1.3 for x86 too, which has rtc and spi besides. The state's name was seen of crypto,
 * sound, mtp, ufs, rocker and nvme.
 */
const unmigratableModels: readonly (UnmigratableModel & { readonly model: string })[] = [
  ...['virtio-crypto', 'virtio-input-host', 'vhost-user-gpio', 'vhost-user-i2c', 'vhost-user-vsock'].map((model) => ({
    model,
    state: model,
    realized: `${model}-device`,
  })),
  ...['virtio-sound', 'virtio-snd'].map((model) => ({
    model,
    state: 'virtio-sound-device',
    realized: 'virtio-sound-device',
  })),
  { model: 'usb-wacom-tablet', state: 'usb-wacom', realized: 'usb-wacom-tablet' },
  { model: 'usb-braille', state: 'usb-serial', realized: 'usb-braille' },
  ...[
    'vhost-user-input',
    'vhost-user-rng',
    'vhost-user-rtc',
    'vhost-user-scmi',
    'vhost-user-snd',
    'vhost-user-spi',
    'vhost-user-test-device',
    'vhost-vdpa-device',
    'usb-audio',
    'usb-mtp',
    'usb-net',
    'usb-serial',
    'usb-uas',
    'usb-wacom',
    'nvme',
    'ufs',
    'rocker',
    'hv-syndbg',
    'riscv-iommu-pci',
    'xen_xenstore',
  ].map((model) => ({ model, state: model, realized: model })),
];

/** What a virtio model's name may end in: the bus it is made for. */
const BUSES = ['', '-device', '-ccw', '-pci', '-pci-transitional', '-pci-non-transitional'];

const byType: ReadonlyMap<string, UnmigratableModel> = new Map(
  unmigratableModels.flatMap(({ model, ...names }) => BUSES.map((bus) => [`${model}${bus}`, names] as const)),
);

/** What QEMU says of the device called `type`, whose state it cannot save; `undefined` where it can. */
export const unmigratableModel = (type: string): UnmigratableModel | undefined => byType.get(type);

/**
 * Device models that nothing is against: the first were seen so in QEMU 7.2.22, 10.0.2 or 11.1.3, the others are ordinary
 * ones that 10.2.2 neither marks nor blocks. cxl-type3 is not among them: it has no state that QEMU would save.
 */
const migratableModels: ReadonlySet<string> = new Set(
  [
    'AMDVI-PCI bochs-display edu hda-duplex ich9-intel-hda igb isa-applesmc megasas nvdimm nvme-subsys pci-testdev',
    'pcie-root-port pvscsi pxb-pcie qemu-xhci usb-ehci usb-storage virtio-balloon-pci virtio-blk-pci virtio-gpu-pci',
    'virtio-net-pci virtio-pmem-pci',
    'VGA ahci cirrus-vga e1000 e1000e ich9-ahci ide-cd ide-hd isa-serial pci-bridge pci-serial pcie-pci-bridge qxl-vga',
    'rtl8139 scsi-cd scsi-hd usb-host usb-hub usb-kbd usb-mouse usb-tablet virtconsole virtio-keyboard-pci',
    'virtio-mem-pci virtio-mouse-pci virtio-rng-pci virtio-scsi-pci virtio-serial-pci virtio-tablet-pci virtio-vga',
    'virtserialport vmcoreinfo vmgenid',
    'floppy ich9-usb-ehci1 ich9-usb-ehci2 ich9-usb-uhci1 ich9-usb-uhci2 ich9-usb-uhci3 ich9-usb-uhci4 ich9-usb-uhci5',
    'ich9-usb-uhci6 isa-fdc piix3-usb-uhci piix4-usb-uhci usb-redir',
  ].flatMap((line) => line.split(' ')),
);

/** Whether nothing is against the migration of a device called `type`, whatever its properties. */
export const isMigratableModel = (type: string): boolean =>
  migratableModels.has(type.replace(/-(?:non-)?transitional$/, ''));
