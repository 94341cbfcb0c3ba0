import { device, type Domain, type DomainOption } from './libvirt-domain.ts';
import { attributeAt, each, integer } from './libvirt-element.ts';
import type { XmlElement } from './xml.ts';

/** The types of controllers that are devices of QEMU's, in libvirt's order; USB hubs stand between the last and the rest. */
export const CONTROLLER_TYPES = ['pci', 'usb', 'scsi', 'sata', 'virtio-serial', 'nvme'] as const;

/** The controllers of a type, but for those that the machine has of itself (qemuBuildSkipController). */
export const controllersOf = (type: (typeof CONTROLLER_TYPES)[number] | 'ccid', domain: Domain): DomainOption[] =>
  domain
    .all('controller')
    .filter(({ attributes }) => attributes.get('type') === type)
    .flatMap((controller) => READERS[type](controller, domain));

const READERS: Readonly<
  Record<
    (typeof CONTROLLER_TYPES)[number] | 'ccid',
    (controller: XmlElement, domain: Domain) => readonly DomainOption[]
  >
> = {
  pci: pciController,
  usb: usbController,
  scsi: scsiController,
  sata: (at, domain) => {
    const isBuiltIn = (at.attributes.get('index') ?? '0') === '0' && /q35/.test(domain.machine ?? '');
    return isBuiltIn ? [] : [device(at, 'ahci', domain.idOf(at, 'sata'), domain.place(at))];
  },
  'virtio-serial': (at, domain) => [
    device(
      at,
      domain.virtio('virtio-serial', at, at.attributes.get('model')),
      domain.idOf(at, 'virtio-serial'),
      domain.place(at),
    ),
  ],
  nvme: (at, domain) => [device(at, 'nvme', domain.idOf(at, 'nvme'), domain.place(at))],
  ccid: (at, domain) => [device(at, 'usb-ccid', domain.idOf(at, 'ccid'), domain.port(at))],
};

/** What models of PCI controllers are in QEMU unless `<model>` says otherwise. */
const PCI_MODELS: ReadonlyMap<string, string> = new Map([
  ['pci-bridge', 'pci-bridge'],
  ['dmi-to-pci-bridge', 'i82801b11-bridge'],
  ['pcie-to-pci-bridge', 'pcie-pci-bridge'],
  ['pcie-root-port', 'pcie-root-port'],
  ['pcie-switch-upstream-port', 'x3130-upstream'],
  ['pcie-switch-downstream-port', 'xio3130-downstream'],
  ['pci-expander-bus', 'pxb'],
  ['pcie-expander-bus', 'pxb-pcie'],
]);

function pciController(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const usual = PCI_MODELS.get(at.attributes.get('model') ?? '');
  if (usual === undefined) return [];
  const driver = attributeAt(at, 'name', 'model') ?? usual;
  const bus_nr = integer(each(at, 'target')[0], 'busNr', [0, 255], domain.remarks);
  return [device(at, driver, domain.idOf(at, 'pci.'), { bus_nr, ...domain.place(at) })];
}

const USB_MODELS: ReadonlyMap<string, string> = new Map([
  ['piix3-uhci', 'piix3-usb-uhci'],
  ['piix4-uhci', 'piix4-usb-uhci'],
  ['ehci', 'usb-ehci'],
  ['ich9-ehci1', 'ich9-usb-ehci1'],
  ['ich9-uhci1', 'ich9-usb-uhci1'],
  ['ich9-uhci2', 'ich9-usb-uhci2'],
  ['ich9-uhci3', 'ich9-usb-uhci3'],
  ['vt82c686b-uhci', 'vt82c686b-usb-uhci'],
  ['pci-ohci', 'pci-ohci'],
  ['nec-xhci', 'nec-usb-xhci'],
  ['qemu-xhci', 'qemu-xhci'],
]);

/** Companions share the index and the alias of the controller that they lend their ports to, and so have no id. */
function usbController(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const model = at.attributes.get('model') ?? '';
  const driver = USB_MODELS.get(model);
  if (driver === undefined) return [];
  const ports = integer(at, 'ports', [1, 255], domain.remarks);
  const id = domain.idOf(at, 'usb');
  const isCompanion = model.startsWith('ich9-uhci') || each(at, 'master').length > 0;
  const names = isCompanion ? { masterbus: `${id}.0` } : { p2: ports, p3: ports };
  return [device(at, driver, isCompanion ? undefined : id, { ...names, ...domain.place(at) })];
}

const SCSI_MODELS: ReadonlyMap<string, string> = new Map([
  ['am53c974', 'am53c974'],
  ['dc390', 'dc-390'],
  ['ibmvscsi', 'spapr-vscsi'],
  ['lsilogic', 'lsi'],
  ['lsisas1068', 'mptsas1068'],
  ['lsisas1078', 'megasas'],
  ['vmpvscsi', 'pvscsi'],
]);

function scsiController(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const model = at.attributes.get('model') ?? '';
  const isVirtio = /^virtio-(?:scsi|(?:non-)?transitional)$/.test(model);
  const driver = isVirtio ? domain.virtio('virtio-scsi', at, model) : SCSI_MODELS.get(model);
  return driver === undefined ? [] : [device(at, driver, domain.idOf(at, 'scsi'), domain.place(at))];
}
