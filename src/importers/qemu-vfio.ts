import { formatSize } from '../descriptor/quantities.ts';
import type { VfioDescriptor } from '../descriptor/schema.ts';
import { given } from './imported.ts';
import type { CommandLine } from './qemu-command-line.ts';
import type { QemuDevice } from './qemu-device-list.ts';
import { choiceOf, nameOf, ON_OFF_AUTO, sizeOf, switchOf, textOf } from './qemu-options.ts';
import { quoted } from './qemu-remarks.ts';

const TYPES: ReadonlyMap<string, NonNullable<VfioDescriptor['type']>> = new Map([
  ['vfio-pci', 'vfio-pci'],
  ['vfio-pci-nohotplug', 'vfio-pci'],
  ['vfio-ap', 'vfio-ap'],
  ['vfio-ccw', 'vfio-ccw'],
  ['vfio-user-pci', 'vfio-user-pci'],
]);

/** Whether `device` is one of VFIO's. */
export const isVfio = ({ type }: QemuDevice): boolean => TYPES.has(type);

/** Properties that say nothing about migration. */
const IRRELEVANT =
  /^(?:acpi-index|addr|bootindex|bus|busnr|devno|display|driver|fd|host|id|iommufd|migration-events|multifunction|ramfb|rombar|romfile|romsize|skip-vsc-check|socket(?:\..*)?|sriov-pf|sysfsdev|use-legacy-x86-rom|vf-token|xres|yres|failover_pair_id|x-(?:balloon|igd|intx|max-bounce|migration-load-config|msix|no|nv|pci|pcie|req|vga|vpasid)(?:-.*)?)$/;

/** Names of a property that decides about migration, the newer before the older. */
const ENABLE_MIGRATION = ['enable-migration', 'x-enable-migration'] as const;
const DEVICE_TRACKING = 'x-device-dirty-page-tracking';
const PRECOPY_TRACKING = 'x-pre-copy-dirty-page-tracking';
const MULTIFD = 'x-migration-multifd-transfer';
const QUEUED_SIZE = 'x-migration-max-queued-buffers-size';
const RAMFB = 'x-ramfb-migrate';

const READ: ReadonlySet<string> = new Set([
  ...ENABLE_MIGRATION,
  DEVICE_TRACKING,
  PRECOPY_TRACKING,
  MULTIFD,
  QUEUED_SIZE,
  RAMFB,
  'ats',
]);

/** The device that `device` hands to the guest, but for where in the guest it sits. */
export function vfioOf(device: QemuDevice, line: CommandLine): VfioDescriptor {
  const { remarks } = line;
  for (const name of device.values.keys()) {
    if (!READ.has(name) && !IRRELEVANT.test(name)) remarks.unread(`${device.type} ${name}`);
  }
  const onOff = (name: string): 'on' | 'off' | undefined => {
    const value = switchOf(device, name, remarks);
    return value === undefined ? undefined : value ? 'on' : 'off';
  };
  const iommufd = nameOf(device, 'iommufd', remarks);
  if (iommufd !== undefined && textOf(line.objects.get(iommufd), 'qom-type') !== 'iommufd') {
    remarks.fault(device.at, `iommufd ${quoted(iommufd)}: no -object of type iommufd has this id`);
  }
  const queued = sizeOf(device, QUEUED_SIZE, remarks);
  return given({
    id: device.id,
    ...sourceOf(device, line),
    backend: iommufd === undefined ? undefined : ('iommufd' as const),
    iommufdObject: iommufd,
    position: device.position,
    unpluggedForMigration: textOf(device, 'failover_pair_id') ? true : undefined,
    enableMigration: choiceOf(device, ENABLE_MIGRATION[0], ON_OFF_AUTO, remarks) ?? onOff(ENABLE_MIGRATION[1]),
    deviceDirtyTracking: onOff(DEVICE_TRACKING),
    preCopyDirtyTracking: onOff(PRECOPY_TRACKING),
    multifdTransfer: choiceOf(device, MULTIFD, ON_OFF_AUTO, remarks),
    maxQueuedBuffersSize: queued === undefined ? undefined : formatSize(queued),
    ramfbMigrate: choiceOf(device, RAMFB, ON_OFF_AUTO, remarks),
    ats: choiceOf(device, 'ats', ON_OFF_AUTO, remarks),
  });
}

const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** What the host calls the device, which is its name in QEMU's messages (vfio_device_get_name). */
function sourceOf(device: QemuDevice, { remarks }: CommandLine): Pick<VfioDescriptor, 'type' | 'host'> {
  const type = TYPES.get(device.type);
  const path = textOf(device, 'sysfsdev');
  const fd = textOf(device, 'fd');
  const isPci = type === 'vfio-pci';
  if (fd !== undefined) return { ...(!isPci && { type }), host: device.id ?? `VFIO_FD${fd}`.slice(0, 256) };
  if (path !== undefined) {
    const name = path.split('/').findLast((part) => part !== '') ?? '';
    if (name === '' || name.length > 256) {
      remarks.fault(device.at, `sysfsdev ${quoted(path)} names no device`);
      return {};
    }
    const isMdev = isPci && (UUID.test(name) || path.includes('/mdev/'));
    return { ...(isMdev ? { type: 'mdev' as const } : !isPci && { type }), host: name };
  }
  if (!isPci) return { type };
  const host = pciAddress(textOf(device, 'host') ?? '');
  if (host === undefined) remarks.fault(device.at, 'no host=DDDD:BB:DD.F, sysfsdev= or fd= of the host’s device');
  return host === undefined ? {} : { host };
}

/** "3b:00.1" and "0:3b:0.1" are "0000:3b:00.1". */
function pciAddress(text: string): string | undefined {
  const {
    domain = '0',
    bus,
    slot,
    fn,
  } = /^(?:(?<domain>[\da-f]{1,8}):)?(?<bus>[\da-f]{1,2}):(?<slot>[01]?[\da-f])\.(?<fn>[0-7])$/i.exec(text)?.groups ??
  {};
  if (bus === undefined || slot === undefined || fn === undefined) return undefined;
  const digits = (part: string, count: number): string => Number.parseInt(part, 16).toString(16).padStart(count, '0');
  return `${digits(domain, 4)}:${digits(bus, 2)}:${digits(slot, 2)}.${fn}`;
}
