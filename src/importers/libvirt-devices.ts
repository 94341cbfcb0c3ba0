import { device, type Domain, type DomainOption, type Reader, type Values } from './libvirt-domain.ts';
import { attributeAt, along, each } from './libvirt-element.ts';
import { settingsOf } from './libvirt-hostdev.ts';
import type { XmlElement } from './xml.ts';

/**
 * Readers of devices, by the name of the element, in the order in which libvirt puts them on QEMU's command line
 * (qemuBuildCommandLine, libvirt 11.3): those that come before the devices of the host, and those that come after.
 */
export const BEFORE_HOST_DEVICES: readonly (readonly [element: string, read: Reader])[] = [
  ['filesystem', filesystem],
  ['interface', networkCard],
  ['smartcard', smartcard],
  ['serial', serial],
  ['parallel', (at, domain) => [device(at, 'isa-parallel', domain.idOf(at, 'parallel'))]],
  ['channel', (at, domain) => virtioPort(at, 'virtserialport', domain.idOf(at, 'channel'))],
  ['console', (at, domain) => virtioPort(at, 'virtconsole', domain.idOf(at, 'console'))],
  ['tpm', tpm],
  ['input', input],
  ['video', video],
  ['sound', sound],
  ['watchdog', watchdog],
  ['redirdev', (at, domain) => [device(at, 'usb-redir', domain.idOf(at, 'redir'), domain.port(at))]],
];

export const AFTER_HOST_DEVICES: readonly (readonly [element: string, read: Reader])[] = [
  ['memballoon', (at, domain) => ofModel(at, 'virtio-balloon', 'balloon', domain)],
  ['rng', (at, domain) => ofModel(at, 'virtio-rng', 'rng', domain)],
];

/** Those that libvirt puts behind the arguments of `<qemu:commandline>`. */
export const AFTER_ARGUMENTS: readonly (readonly [element: string, read: Reader])[] = [
  ['panic', panic],
  ['shmem', sharedMemory],
  ['vsock', (at, domain) => ofModel(at, 'vhost-vsock', 'vsock', domain)],
  ['crypto', (at, domain) => ofModel(at, 'virtio-crypto', 'crypto', domain)],
  ['pstore', (at, domain) => [device(at, 'acpi-erst', domain.idOf(at, 'pstore'), domain.place(at))]],
];

/** A virtio device, unless its model is "none". */
function ofModel(at: XmlElement, base: string, prefix: string, domain: Domain): readonly DomainOption[] {
  const model = at.attributes.get('model') ?? 'virtio';
  if (!model.startsWith('virtio')) return [];
  return [device(at, domain.virtio(base, at, model), domain.idOf(at, prefix), domain.place(at))];
}

/** A `<filesystem>` by the driver that serves it. */
function filesystem(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const kind = attributeAt(at, 'type', 'driver') ?? 'path';
  const id = domain.idOf(at, 'fs');
  const tag = attributeAt(at, 'dir', 'target');
  const model = at.attributes.get('model');
  switch (kind) {
    case 'virtiofs':
      return [device(at, domain.virtio('vhost-user-fs', at, model), id, { tag, ...domain.place(at) })];
    case 'mtp':
      return [device(at, 'usb-mtp', id, domain.port(at))];
    case 'path':
    case 'handle': {
      const fsdev = `fsdev-${id}`;
      return [
        { at, name: 'fsdev', says: { fsdriver: 'local', id: fsdev, path: attributeAt(at, 'dir', 'source') } },
        device(at, domain.virtio('virtio-9p', at, model), id, { fsdev, mount_tag: tag, ...domain.place(at) }),
      ];
    }
    default:
      domain.remarks.unread('filesystem', `driver=${kind}`);
      return [];
  }
}

/** The backends of QEMU's that types of interfaces have. */
const NETDEVS: ReadonlyMap<string, string> = new Map([
  ['bridge', 'tap'],
  ['direct', 'tap'],
  ['ethernet', 'tap'],
  ['network', 'tap'],
  ['client', 'socket'],
  ['mcast', 'socket'],
  ['server', 'socket'],
  ['udp', 'socket'],
  ['internal', 'user'],
  ['user', 'user'],
  ['vdpa', 'vhost-vdpa'],
  ['vhostuser', 'vhost-user'],
]);

/** An `<interface>` that is no device of the host. */
function networkCard(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const settings = settingsOf(at);
  const type = settings.attributes.get('type') ?? '';
  if (type === 'hostdev') return [];
  const id = domain.idOf(at, 'net');
  const netdev = NETDEVS.get(type);
  const model = attributeAt(at, 'type', 'model') ?? (/^(?:vdpa|vhostuser)$/.test(type) ? 'virtio' : undefined);
  if (model === undefined || netdev === undefined) return [];
  const backend: Values = { type: netdev, id: `host${id}` };
  const isVirtio = model.startsWith('virtio');
  const driver = isVirtio ? domain.virtio('virtio-net', at, model) : model;
  const where = model === 'usb-net' ? domain.port(at) : domain.place(at);
  return [{ at, name: 'netdev', says: backend }, device(at, driver, id, { netdev: `host${id}`, ...where })];
}

function smartcard(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const driver = at.attributes.get('mode') === 'passthrough' ? 'ccid-card-passthru' : 'ccid-card-emulated';
  return [device(at, driver, domain.idOf(at, 'smartcard'))];
}

/** Serial ports that are devices of QEMU's; others are part of the machine. */
const SERIALS: ReadonlySet<string> = new Set(['isa-debugcon', 'isa-serial', 'pci-serial', 'spapr-vty', 'usb-serial']);

function serial(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const driver = attributeAt(at, 'name', 'target', 'model') ?? attributeAt(at, 'type', 'target') ?? '';
  if (!SERIALS.has(driver)) return [];
  const where = driver === 'usb-serial' ? domain.port(at) : driver === 'pci-serial' ? domain.place(at) : {};
  return [device(at, driver, domain.idOf(at, 'serial'), where)];
}

const virtioPort = (at: XmlElement, driver: string, id: string): readonly DomainOption[] =>
  attributeAt(at, 'type', 'target') === 'virtio' ? [device(at, driver, id)] : [];

function tpm(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const model = at.attributes.get('model') ?? 'tpm-tis';
  const id = domain.idOf(at, 'tpm');
  const backend = attributeAt(at, 'type', 'backend') === 'passthrough' ? 'passthrough' : 'emulator';
  return [
    { at, name: 'tpmdev', says: { type: backend, id: `tpm-${id}` } },
    device(at, model === 'tpm-tis' && !domain.isX86 ? 'tpm-tis-device' : model, id, { tpmdev: `tpm-${id}` }),
  ];
}

const INPUTS: ReadonlyMap<string, { readonly usb?: string; readonly virtio: string }> = new Map([
  ['mouse', { usb: 'usb-mouse', virtio: 'virtio-mouse' }],
  ['tablet', { usb: 'usb-tablet', virtio: 'virtio-tablet' }],
  ['keyboard', { usb: 'usb-kbd', virtio: 'virtio-keyboard' }],
  ['passthrough', { virtio: 'virtio-input-host' }],
]);

/** Those on PS/2 are part of the machine. */
function input(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const kind = INPUTS.get(at.attributes.get('type') ?? '');
  const bus = at.attributes.get('bus') ?? (kind && kind.usb === undefined ? 'virtio' : undefined);
  const id = domain.idOf(at, 'input');
  if (bus === 'usb' && kind?.usb !== undefined) return [device(at, kind.usb, id, domain.port(at))];
  if (bus !== 'virtio' || kind === undefined) return [];
  return [device(at, domain.virtio(kind.virtio, at, at.attributes.get('model')), id, domain.place(at))];
}

/** Adapters that take over from VGA, by the type of their `<model>`. */
const VGA_ADAPTERS: ReadonlyMap<string, string> = new Map([
  ['bochs', 'bochs-display'],
  ['cirrus', 'cirrus-vga'],
  ['qxl', 'qxl-vga'],
  ['ramfb', 'ramfb'],
  ['vga', 'VGA'],
  ['vmvga', 'vmware-svga'],
]);

/** A display adapter (qemuDeviceVideoGetModel); the first is the primary one unless another says so. */
function video(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const [model] = each(at, 'model');
  const type = model?.attributes.get('type') ?? '';
  const driver = adapter(at, type, at === domain.primaryVideo, domain);
  return driver === undefined ? [] : [device(at, driver, domain.idOf(at, 'video'), domain.place(at))];
}

function adapter(at: XmlElement, type: string, isPrimary: boolean, domain: Domain): string | undefined {
  const hasVga = isPrimary && domain.isX86;
  if (along(at, 'driver').some(({ attributes }) => attributes.get('name') === 'vhostuser')) {
    return hasVga ? 'vhost-user-vga' : domain.virtio('vhost-user-gpu', at);
  }
  if (type !== 'virtio') return isPrimary ? VGA_ADAPTERS.get(type) : type === 'qxl' ? 'qxl' : undefined;
  const gl = attributeAt(at, 'accel3d', 'model', 'acceleration') === 'yes' ? '-gl' : '';
  return hasVga ? `virtio-vga${gl}` : domain.virtio(`virtio-gpu${gl}`, at);
}

/** Sound cards, and whether codecs are plugged into them. */
const SOUND_CARDS: ReadonlyMap<string, { readonly driver: string; readonly hasCodecs?: true }> = new Map([
  ['ac97', { driver: 'AC97' }],
  ['es1370', { driver: 'ES1370' }],
  ['ich6', { driver: 'intel-hda', hasCodecs: true }],
  ['ich9', { driver: 'ich9-intel-hda', hasCodecs: true }],
  ['sb16', { driver: 'sb16' }],
  ['usb', { driver: 'usb-audio' }],
  ['virtio', { driver: 'virtio-sound' }],
]);

function sound(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const model = at.attributes.get('model') ?? '';
  const card = SOUND_CARDS.get(model);
  if (card === undefined) return [];
  const id = domain.idOf(at, 'sound');
  const where = model === 'usb' ? domain.port(at) : model === 'sb16' ? {} : domain.place(at);
  const driver = model === 'virtio' ? domain.virtio(card.driver, at) : card.driver;
  const codecs = each(at, 'codec').map((codec) => codec.attributes.get('type') ?? 'duplex');
  return [
    device(at, driver, id, where),
    ...(card.hasCodecs ? (codecs.length > 0 ? codecs : ['duplex']) : []).map((type, index) =>
      device(at, `hda-${type}`, `${id}-codec${index}`),
    ),
  ];
}

/** A watchdog that is not the machine's own. */
function watchdog(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const model = at.attributes.get('model') ?? '';
  const id = domain.idOf(at, 'watchdog');
  if (model === 'i6300esb') return [device(at, model, id, domain.place(at))];
  return model === 'ib700' || model === 'diag288' ? [device(at, model, id)] : [];
}

function panic(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const model = at.attributes.get('model') ?? (domain.isX86 ? 'isa' : '');
  if (model === 'isa') return [device(at, 'pvpanic', undefined)];
  return model === 'pvpanic' ? [device(at, 'pvpanic-pci', undefined, domain.place(at))] : [];
}

/** Memory that domains share. libvirt does not start QEMU with the model "ivshmem", which is no more. */
function sharedMemory(at: XmlElement, domain: Domain): readonly DomainOption[] {
  const driver = attributeAt(at, 'type', 'model') ?? 'ivshmem-plain';
  const role = each(at, 'server').length > 0 ? undefined : at.attributes.get('role');
  const master = role === undefined ? undefined : role === 'master' ? 'on' : 'off';
  return [device(at, driver, domain.idOf(at, 'shmem'), { master, ...domain.place(at) })];
}

/** Whether an interface may turn out to be a device of the host: only a running domain tells what its network gave it. */
export const isUndecided = (at: XmlElement): boolean =>
  at.attributes.get('type') === 'network' &&
  each(at, 'actual').length === 0 &&
  each(at, 'target').length === 0 &&
  attributeAt(at, 'bridge', 'source') === undefined;
