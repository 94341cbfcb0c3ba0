import { deviceId } from '../descriptor/check.ts';
import { record } from '../descriptor/fact.ts';
import type { Side } from '../descriptor/host.ts';
import { type Pointer, valueAt } from '../descriptor/pointer.ts';
import { formatSize, parseSize, type Size } from '../descriptor/quantities.ts';
import { resolve } from '../descriptor/scenario.ts';
import type { Descriptor, HostDescriptor, VfioDescriptor, ViommuDescriptor } from '../descriptor/schema.ts';
import { DMA_ENTRY_LIMIT, kernelReleases } from '../platform/kernel.ts';
import { parseMachineType } from '../platform/machine.ts';
import { libvirtFeatures } from '../platform/libvirt.ts';
import { NEWEST_QEMU, qemuBehaviours, qemuSince } from '../platform/qemu.ts';
import { isAtLeast, parseVersion, type Release, type Version } from '../platform/version.ts';
import type { Change } from '../rules/change.ts';
import { type BehaviourName, type Behaviours, coverableBytes, TYPE1_BITMAP_MAX } from '../simulator/index.ts';

/**
 * What it takes to make a change, from least to most: nothing of the VM is touched; the VM goes elsewhere; the device is
 * unplugged and plugged in again; the VM is stopped and started; the host is upgraded; the guest loses something.
 */
export const efforts = [
  'migration-parameters',
  'other-destination',
  'device-replug',
  'vm-restart',
  'host-upgrade',
  'guest-visible-change',
] as const;
type Effort = (typeof efforts)[number];

/** What the findings that list a change are about. */
export interface Concern {
  readonly descriptor: Descriptor;
  /** VFIO devices, by place in the descriptor. */
  readonly devices: readonly number[];
  readonly sides: readonly Side[];
  /** Everything that the findings read or lack. */
  readonly pointers: readonly Pointer[];
  /** Ids of the rules. */
  readonly rules: readonly string[];
}

/** One place of a descriptor that a change sets; `undefined` leaves it out. `words` fill the braces of the change's `how`. */
export interface Edit {
  readonly pointer: Pointer;
  readonly to: unknown;
  readonly words: Readonly<Record<string, string>>;
}

/** A change that an operator can choose. */
interface ChangeKind {
  readonly effort: Effort;
  /** The libvirt XML, QEMU option or command that makes it. */
  readonly how: string;
  /** What it costs the guest, or its operator. */
  readonly cost?: string;
  /** What it sets; nothing where it is so already or does not apply. Left out where no descriptor says it. */
  readonly edits?: (concern: Concern) => readonly Edit[];
}

const edit = (pointer: Pointer, to: unknown, words: Edit['words'] = {}): Edit => ({ pointer, to, words });

/** New values by place in what is changed; `null` where nothing is. */
type Values = Readonly<Record<string, unknown>> | null;

/** A change of each device concerned. */
const ofDevices =
  (make: (device: VfioDescriptor, descriptor: Descriptor) => Values) =>
  ({ descriptor, devices }: Concern): Edit[] =>
    devices.flatMap((index) => {
      const device = descriptor.vm.vfio[index] as VfioDescriptor;
      const words = { device: deviceId(device, index) };
      return Object.entries(make(device, descriptor) ?? {}).map(([field, to]) =>
        edit(`/vm/vfio/${index}/${field}`, to, { ...words, to: String(to) }),
      );
    });

/** A change of the vIOMMU, if there is one of these models, where `field` is not `to` already. */
const ofViommu =
  <Field extends keyof ViommuDescriptor>(
    models: readonly ViommuDescriptor['model'][],
    field: Field,
    to: NonNullable<ViommuDescriptor[Field]>,
    otherwise?: ViommuDescriptor[Field],
  ) =>
  ({ descriptor: { vm } }: Concern): Edit[] =>
    vm.viommu && models.includes(vm.viommu.model) && (vm.viommu[field] ?? otherwise) !== to
      ? [edit(`/vm/viommu/${field}`, to, { model: vm.viommu.model, iommu: deviceOf[vm.viommu.model] })]
      : [];

/** What QEMU calls each model. */
const deviceOf: Readonly<Record<ViommuDescriptor['model'], string>> = {
  intel: 'intel-iommu',
  virtio: 'virtio-iommu-pci',
  amd: 'amd-iommu',
  smmuv3: 'arm-smmuv3',
};

/** A change of each host concerned. */
const ofHosts =
  (make: (host: HostDescriptor, descriptor: Descriptor) => Values) =>
  ({ descriptor, sides }: Concern): Edit[] =>
    sides.flatMap((side) =>
      Object.entries(make(hostOn(descriptor, side), descriptor) ?? {}).map(([field, to]) =>
        edit(`/${side}/${field}`, to, { host: side, to: String(to) }),
      ),
    );

const hostOn = (descriptor: Descriptor, side: Side): HostDescriptor =>
  side === 'destination' ? (descriptor.destination ?? descriptor.source) : descriptor.source;

const hostsOf = ({ source, destination }: Descriptor): HostDescriptor[] => [
  source,
  ...(destination ? [destination] : []),
];

/** A change of one place, where what stands there is one of `from`. */
const at =
  (pointer: Pointer, from: readonly unknown[], to: unknown) =>
  ({ descriptor }: Concern): Edit[] =>
    from.includes(valueAt(descriptor, pointer)) ? [edit(pointer, to, { to: String(to) })] : [];

/** A change of each item of a list that the findings point into. */
const ofItems = (list: Pointer, make: (item: Pointer, concern: Concern) => readonly Edit[]) => {
  const item = new RegExp(`^${list}/\\d+`);
  return (concern: Concern): Edit[] => {
    const items = concern.pointers.flatMap((pointer) => item.exec(pointer) ?? []);
    return [...new Set(items)].flatMap((each) => make(each, concern));
  };
};

/** A property of each other device that the findings point at. */
const ofOtherDevices = (property: string, to: string | number | boolean): NonNullable<ChangeKind['edits']> =>
  ofItems('/vm/otherDevices', (item, { descriptor }) => {
    const place = `${item}/properties/${property}`;
    return valueAt(descriptor, place) === to ? [] : [edit(place, to, { device: nameAt(descriptor, item) })];
  });

/** What an operator knows another device by. */
const nameAt = (descriptor: Descriptor, item: Pointer): string =>
  String(valueAt(descriptor, `${item}/id`) ?? valueAt(descriptor, `${item}/type`));

/** What `host`'s QEMU does, where that is known. */
function behaviourOf<Name extends BehaviourName>(host: HostDescriptor, name: Name): Behaviours[Name] | undefined {
  const given = host.behaviours as Partial<Behaviours> | undefined;
  const version = versionOf(host.qemu);
  return given?.[name] ?? (version && qemuBehaviours(version)?.[name]);
}

const versionOf = (text: HostDescriptor['qemu']): Version | undefined =>
  (text === undefined ? null : parseVersion(text)) ?? undefined;

/** Off becomes auto, which takes what can be tracked, and auto on, which takes more; a boolean becomes on. */
function enabled({ enableMigration }: VfioDescriptor, { source }: Descriptor): Values {
  const isBoolean = behaviourOf(source, 'enableMigration') === 'boolean-off';
  const value = enableMigration ?? (isBoolean ? 'off' : 'auto');
  if (value === 'on') return null;
  return { enableMigration: value === 'auto' || isBoolean ? 'on' : 'auto' };
}

const isBehindViommu = ({ address }: VfioDescriptor, { vm }: Descriptor): boolean =>
  vm.viommu != null && !(address?.bypassIommu ?? vm.defaultBusBypassIommu ?? false);

/** The newest QEMU that is known, without the patches of the one it replaces. */
function newestQemu(host: HostDescriptor): Values {
  const version = versionOf(host.qemu);
  const isOld = version === undefined || !isAtLeast(version, NEWEST_QEMU);
  if (!isOld && !host.behaviours) return null;
  return { ...(isOld && { qemu: NEWEST_QEMU }), ...(host.behaviours && { behaviours: undefined }) };
}

/** The last Linux release that made a difference. */
const LAST_KERNEL = kernelReleases.at(-1) as Release;

const GIB = 1n << 30n;

/** Boot RAM that one type1 bitmap covers on every host concerned, in whole GiB. */
function coverableMemory({ descriptor, sides }: Concern): Edit[] {
  const { memory, memoryBackends } = descriptor.vm;
  const limits = sides.map((side) => {
    const { type1, pageSize } = hostOn(descriptor, side);
    const page = bytes(type1?.trackingPageSize ?? pageSize ?? 4096);
    return coverableBytes(
      type1?.maxDirtyBitmapSize === undefined ? TYPE1_BITMAP_MAX : bytes(type1.maxDirtyBitmapSize),
      page,
    );
  });
  const limit = (limits.reduce((a, b) => (b < a ? b : a)) / GIB) * GIB;
  // How several backends would share less memory is not for us to say.
  if (memoryBackends || limit === 0n || bytes(memory) <= limit) return [];
  return [edit('/vm/memory', formatSize(limit), { kib: String(limit / 1024n) })];
}

const bytes = (size: Size): bigint => parseSize(size) as bigint;

/** Room for twice the mappings that are known, or that there may be now. */
function moreEntries({ type1 }: HostDescriptor, { vm }: Descriptor): Values {
  const mapped = vm.vfio.flatMap(({ mappings = [] }) => mappings).reduce((sum, { count }) => sum + count, 0);
  const limit = type1?.dmaEntryLimit ?? DMA_ENTRY_LIMIT;
  const needed = 2 * Math.max(mapped, limit);
  return needed <= ENTRY_LIMIT_MAX ? { 'type1/dmaEntryLimit': needed } : null;
}

/** No parameter of the kernel is taken to hold more. */
const ENTRY_LIMIT_MAX = 2 ** 31 - 1;

/** Whether the guest maps what a vIOMMU of 39 bits could not. */
const reachesPast39Bits = ({ mappings = [] }: VfioDescriptor): boolean =>
  mappings.some(({ iova, pageSize, count }) => BigInt(iova) + bytes(pageSize) * BigInt(count) > 1n << 39n);

/** The newest machine type of this board that all hosts' QEMUs have. */
function newestMachine({ descriptor }: Concern): Edit[] {
  const { machine = '' } = descriptor.vm;
  const type = parseMachineType(machine);
  const series = hostsOf(descriptor).map(({ qemu }) => seriesOf(versionOf(qemu)));
  if (!type || typeof type.version === 'string' || series.some((each) => each === undefined)) return [];
  const oldest = (series as Release[]).reduce((a, b) => (isAtLeast(parseVersion(a) as Version, b) ? b : a));
  if (isAtLeast(type.version, oldest)) return [];
  const to = machine.replace(/-[\d.]+$/, `-${oldest}`);
  return [edit('/vm/machine', to, { to })];
}

/** The series of `version`, no newer than the newest that is known. */
const seriesOf = (version: Version | undefined): Release | undefined =>
  version && (isAtLeast(version, NEWEST_QEMU) ? NEWEST_QEMU : `${version.major}.${version.minor}`);

/** The longest downtime limit that is offered, in milliseconds. */
const DOWNTIME_MAX_MS = 2_000_000;

/** Milliseconds for which the guest must be allowed to stand still; `null` where it is already, or would be for too long. */
function downtimeFor(descriptor: Descriptor): number | null {
  const { amounts, bandwidth, limitMs } = transferOf(descriptor);
  if (bandwidth === 0n) return null;
  const longer = amounts.map((amount) => roundedUp(amount * 1000n, bandwidth)).find((needed) => needed > limitMs);
  return longer === undefined || longer > DOWNTIME_MAX_MS ? null : Number(longer);
}

/** Bytes a second that the migration needs; `null` where it has them already, or that is not known. */
function bandwidthFor(descriptor: Descriptor): number | null {
  const { amounts, bandwidth, limitMs } = transferOf(descriptor);
  if (bandwidth === 0n || limitMs === 0n) return null;
  const more = amounts.map((amount) => roundedUp(amount * 1000n, limitMs)).find((needed) => needed > bandwidth);
  return more === undefined || more > Number.MAX_SAFE_INTEGER ? null : Number(more);
}

const roundedUp = (a: bigint, b: bigint): bigint => (a + b - 1n) / b;

interface Transfer {
  /** Bytes that are left to send once the guest stops: what devices dirty for certain; at most, all of its memory. */
  readonly amounts: readonly bigint[];
  /** Bytes a second; 0 where that is not known. */
  readonly bandwidth: bigint;
  readonly limitMs: bigint;
}

/** `descriptor` without the holes that removed devices left. */
export function withoutHoles(descriptor: Descriptor): Descriptor {
  const { otherDevices } = descriptor.vm;
  if (!otherDevices?.some((device) => device === undefined)) return descriptor;
  return {
    ...descriptor,
    vm: { ...descriptor.vm, otherDevices: otherDevices.filter((device) => device !== undefined) },
  };
}

function transferOf(descriptor: Descriptor): Transfer {
  const { convergence, migration } = resolve(withoutHoles(descriptor), 'source');
  const known = record({
    convergence: convergence(),
    bandwidth: migration.bandwidth,
    limit: migration.downtimeLimitMs,
  });
  if (!known.known || known.value.convergence === null) return { amounts: [], bandwidth: 0n, limitMs: 0n };
  const { bandwidth, limit } = known.value;
  const { dirtyBytes, dirtyBytesAtLeast } = known.value.convergence;
  const { memory, hotplugged = [] } = descriptor.vm;
  const all = hotplugged.reduce((sum, { size }) => sum + bytes(size), bytes(memory));
  const amounts = [dirtyBytesAtLeast, all > dirtyBytes ? all : dirtyBytes];
  return { amounts, bandwidth: bandwidth ?? 0n, limitMs: BigInt(limit) };
}

/** The capabilities that keep the VM from being migrated, by the rule that says so. */
const capabilitiesAgainst: Readonly<Record<string, readonly string[]>> = {
  'migration-cpr': ['postcopy-ram', 'background-snapshot', 'x-colo'],
  'migration-mapped-ram': ['mapped-ram'],
  'vfio-background-snapshot': ['background-snapshot'],
  'vfio-postcopy': ['postcopy-ram'],
  'vfio-switchover-ack': ['switchover-ack'],
};

function withoutCapabilities({ descriptor: { migration }, rules }: Concern): Edit[] {
  const { capabilities = [] } = migration ?? {};
  const against = rules.flatMap((rule) => capabilitiesAgainst[rule] ?? []);
  const off = capabilities.filter((each) => against.includes(each));
  const left = capabilities.filter((each) => !against.includes(each));
  return off.length === 0 ? [] : [edit('/migration/capabilities', left, { off: off.join(', ') })];
}

/** What of a device QEMU cannot migrate, and can leave out: an NVMe controller's virtual functions, rendering on the host. */
function withoutFeature(item: Pointer, { descriptor }: Concern): Edit[] {
  const device = nameAt(descriptor, item);
  const type = String(valueAt(descriptor, `${item}/type`));
  const functions = `${item}/properties/sriov_max_vfs`;
  if (Number(valueAt(descriptor, functions) ?? 0) > 0)
    return [edit(functions, 0, { device, option: 'sriov_max_vfs=0' })];
  const plain = type.replace(/^(virtio-(?:gpu|vga))-gl/, '$1');
  return plain === type ? [] : [edit(`${item}/type`, plain, { device, option: plain })];
}

/** A property of a VFIO device that libvirt has no element for. */
const vfioProperty = (name: string, value: string): string =>
  `QEMU: -device vfio-pci,id={device},…,${name}=${value}; libvirt: <qemu:override><qemu:device alias='{device}'>` +
  `<qemu:frontend><qemu:property name='${name}' type='string' value='${value}'/></qemu:frontend></qemu:device></qemu:override>`;

/** A property of the vIOMMU, and libvirt's attribute of `<iommu><driver>` for it. */
const viommuProperty = (option: string, attribute: string, feature?: keyof typeof libvirtFeatures): string =>
  `QEMU: -device {iommu},…,${option}; libvirt${feature ? ` ${sinceLibvirt(feature)}` : ''}: ` +
  `<iommu model='{model}'><driver ${attribute}/></iommu>`;

const sinceLibvirt = (feature: keyof typeof libvirtFeatures): string => `since ${libvirtFeatures[feature].since}`;

/** Where intel-iommu's properties lost their prefix. */
const RENAMED = qemuSince.firstStageDevices['iommufd-fsts'];

/** A property of the vIOMMU that libvirt has no attribute for. */
const viommuOption = (option: string): string =>
  `QEMU: -device ${option}; libvirt has no attribute for it: <qemu:commandline>`;

const REPLUG = 'The guest is without the device while it is plugged in again.';

/** Every change, in the order in which equal efforts are proposed. */
export const changeKinds: Readonly<Record<Change, ChangeKind>> = {
  'capability-off': {
    effort: 'migration-parameters',
    how: 'QMP: migrate-set-capabilities, {off} false; virsh migrate without the option that sets it',
    edits: withoutCapabilities,
  },
  'normal-mode': {
    effort: 'migration-parameters',
    how: 'QMP: migrate-set-parameters mode=normal',
    edits: at('/migration/mode', ['cpr-reboot', 'cpr-transfer', 'cpr-exec', 'snapshot'], 'normal'),
  },
  uncompressed: {
    effort: 'migration-parameters',
    how: 'QMP: migrate-set-parameters multifd-compression=none',
    cost: 'More bytes travel.',
    edits: ({ descriptor: { migration } }) =>
      (migration?.parameters?.multifdCompression ?? 'none') === 'none'
        ? []
        : [edit('/migration/parameters/multifdCompression', 'none')],
  },
  'more-bandwidth': {
    effort: 'migration-parameters',
    how: 'QMP: migrate-set-parameters max-bandwidth={to}; virsh migrate-setspeed; and a network that carries it',
    edits: ({ descriptor }) => {
      const to = bandwidthFor(descriptor);
      return to === null ? [] : [edit('/migration/parameters/bandwidth', to, { to: String(to) })];
    },
  },
  'longer-downtime': {
    effort: 'migration-parameters',
    how: 'QMP: migrate-set-parameters downtime-limit={to}; virsh migrate-setmaxdowntime … {to}',
    cost: 'The guest stands still for as long.',
    edits: ({ descriptor }) => {
      const to = downtimeFor(descriptor);
      return to === null ? [] : [edit('/migration/parameters/downtimeLimitMs', to, { to: String(to) })];
    },
  },
  'finish-dump': {
    effort: 'migration-parameters',
    how: 'wait until QMP query-dump says completed',
    edits: at('/vm/runtime/dumping', [true], false),
  },
  'suspend-guest': {
    effort: 'guest-visible-change',
    how: 'virsh dompmsuspend … mem; QMP: guest-suspend-ram of the guest agent',
    cost: 'The guest sleeps until it is woken on the other side.',
    edits: at('/vm/runtime/suspended', [undefined, false], true),
  },
  'unmount-9p': {
    effort: 'guest-visible-change',
    how: 'in the guest: umount the 9p file system',
    cost: 'The guest is without the file system while it is migrated.',
  },
  'other-destination': {
    effort: 'other-destination',
    how: 'POST /v1/placements finds a host that takes the VM',
  },
  'unplug-for-migration': {
    effort: 'device-replug',
    how:
      'detach {device} before the migration and attach it after: virsh detach-device and attach-device; QMP: device_del and ' +
      "device_add; of a network card QEMU does it: libvirt: <teaming type='transient' persistent='…'/>; QEMU: failover_pair_id",
    cost: 'The guest is without the device while it is migrated.',
    edits: ofDevices(({ unpluggedForMigration }) => (unpluggedForMigration ? null : { unpluggedForMigration: true })),
  },
  'fewer-devices': {
    effort: 'guest-visible-change',
    how: 'give the VM fewer VFIO devices',
    cost: 'The guest loses devices.',
  },
  'detach-device': {
    effort: 'device-replug',
    how: 'virsh detach-device; QMP: device_del of {device}; a device that cannot be unplugged goes when the VM restarts',
    cost: 'The guest is without the device.',
    edits: ofItems('/vm/otherDevices', (item, { descriptor }) =>
      valueAt(descriptor, item) === undefined ? [] : [edit(item, undefined, { device: nameAt(descriptor, item) })],
    ),
  },
  'enable-migration': {
    effort: 'device-replug',
    how: `${vfioProperty('enable-migration', '{to}')}; before QEMU ${qemuSince.enableMigration['on-off-auto']}: x-enable-migration=on`,
    cost: REPLUG,
    edits: ofDevices(enabled),
  },
  'device-dirty-tracking-off': {
    effort: 'device-replug',
    how: `${vfioProperty('x-device-dirty-page-tracking', 'off')}; since QEMU ${qemuSince.deviceTrackingProperty.present}`,
    cost: `${REPLUG} Whatever it maps is then tracked by the host IOMMU or not at all.`,
    edits: ofDevices(({ deviceDirtyTracking }) =>
      deviceDirtyTracking === 'off' ? null : { deviceDirtyTracking: 'off' },
    ),
  },
  iommufd: {
    effort: 'device-replug',
    how:
      'QEMU: -object iommufd,id=iommufd0 -device vfio-pci,id={device},…,iommufd=iommufd0; libvirt: ' +
      `<driver iommufd='yes'/> in the <hostdev> ${sinceLibvirt('hostdev-iommufd')}, or <iommufd enabled='yes'/> for all ` +
      `devices ${sinceLibvirt('domain-iommufd')}`,
    cost: REPLUG,
    edits: ofDevices(({ backend }) => (backend === 'iommufd' ? null : { backend: 'iommufd' })),
  },
  'legacy-backend': {
    effort: 'device-replug',
    how: "QEMU: -device vfio-pci,id={device},… without iommufd=; libvirt: <driver iommufd='no'/> in the <hostdev>",
    cost: REPLUG,
    edits: ofDevices(({ backend, iommufdObject }) => {
      if (backend !== 'iommufd') return null;
      return { backend: 'legacy', ...(iommufdObject !== undefined && { iommufdObject: undefined }) };
    }),
  },
  'multifd-transfer-auto': {
    effort: 'device-replug',
    how: vfioProperty('x-migration-multifd-transfer', 'auto'),
    cost: REPLUG,
    edits: ofDevices(({ multifdTransfer }) => (multifdTransfer === 'on' ? { multifdTransfer: 'auto' } : null)),
  },
  'ramfb-migrate-off': {
    effort: 'device-replug',
    how: vfioProperty('x-ramfb-migrate', 'off'),
    cost: REPLUG,
    edits: ofDevices(({ ramfbMigrate }) => (ramfbMigrate === 'on' ? { ramfbMigrate: 'off' } : null)),
  },
  'ats-auto': {
    effort: 'device-replug',
    how: vfioProperty('ats', 'auto'),
    cost: REPLUG,
    edits: ofDevices(({ ats }) => (ats === 'on' ? { ats: 'auto' } : null)),
  },
  'bypass-viommu': {
    effort: 'guest-visible-change',
    how:
      'QEMU: -device pxb-pcie,…,bypass_iommu=on with {device} on a root port of that bus; for every device on the root bus: ' +
      '-machine default_bus_bypass_iommu=on; libvirt has no element for it: <qemu:commandline>',
    cost: 'The guest can no longer translate or isolate what the device does, nor hand it to its own user space or guests.',
    edits: ofDevices((device, descriptor) =>
      isBehindViommu(device, descriptor) ? { 'address/bypassIommu': true } : null,
    ),
  },
  'raise-memlock': {
    effort: 'vm-restart',
    how: 'ulimit -l unlimited for the QEMU of the {host}; libvirt: <memtune><hard_limit>',
    edits: ofHosts(({ memlockLimit = 'unlimited' }) =>
      memlockLimit === 'unlimited' ? null : { memlockLimit: 'unlimited' },
    ),
  },
  'raise-dma-entry-limit': {
    effort: 'vm-restart',
    how: 'on the {host}: echo {to} > /sys/module/vfio_iommu_type1/parameters/dma_entry_limit; it holds for containers opened later',
    cost: 'Each mapping takes kernel memory of the host: about 96 bytes, and its dirty bitmap while it is tracked.',
    edits: ofHosts(moreEntries),
  },
  'other-driver': {
    effort: 'device-replug',
    how:
      'bind the device to the VFIO driver that knows it: libvirt: <driver model=…> in the <hostdev> ' +
      `${sinceLibvirt('hostdev-driver-model')}; else driver_override in sysfs`,
    cost: REPLUG,
  },
  'other-qemu': {
    effort: 'host-upgrade',
    how: `QEMU ${NEWEST_QEMU} on the {host}, without what was patched before; a VM that runs is started anew with it`,
    cost: 'The guest is restarted.',
    edits: ofHosts(newestQemu),
  },
  'other-kernel': {
    effort: 'host-upgrade',
    how: `Linux {to} or later on the {host}`,
    cost: 'The guest is restarted.',
    edits: ofHosts(({ kernel }) => {
      const version = versionOf(kernel);
      return version && isAtLeast(version, LAST_KERNEL) ? null : { kernel: LAST_KERNEL };
    }),
  },
  'viommu-address-width-39': {
    effort: 'vm-restart',
    how: viommuProperty('aw-bits=39', "aw_bits='39'", 'iommu-aw-bits'),
    cost: 'IOVAs have 39 bits: what the guest maps for one device totals less than 512 GiB.',
    edits: (concern) =>
      concern.descriptor.vm.vfio.some(reachesPast39Bits)
        ? []
        : ofViommu(['intel', 'virtio'], 'addressWidth', 39)(concern),
  },
  'viommu-caching-mode': {
    effort: 'vm-restart',
    how: viommuProperty('caching-mode=on', "caching_mode='on'", 'iommu-caching-mode'),
    cost: 'The guest tells of every mapping it makes, and maps in strict mode.',
    edits: ofViommu(['intel'], 'cachingMode', true),
  },
  'viommu-dma-remap': {
    effort: 'vm-restart',
    how: viommuOption('amd-iommu,…,dma-remap=on'),
    edits: ofViommu(['amd'], 'dmaRemap', true),
  },
  'viommu-pci-id': {
    effort: 'vm-restart',
    how: viommuOption('AMDVI-PCI,id=amdvi0 -device amd-iommu,…,pci-id=amdvi0'),
    edits: ({ descriptor: { vm } }) =>
      vm.viommu?.model === 'amd' && vm.viommu.pciId === undefined ? [edit('/vm/viommu/pciId', 'amdvi0')] : [],
  },
  'viommu-first-stage-off': {
    effort: 'guest-visible-change',
    how: viommuOption(`intel-iommu,…,fsts=off (before ${RENAMED}: x-flts=off)`),
    cost: 'The guest has no first-stage translation, and no shared virtual memory.',
    edits: ofViommu(['intel'], 'firstStage', false, false),
  },
  'viommu-scalable-mode': {
    effort: 'guest-visible-change',
    how: viommuOption(`intel-iommu,…,scalable-mode=on (before ${RENAMED}: x-scalable-mode=on)`),
    edits: ofViommu(['intel'], 'scalableMode', true),
  },
  'viommu-snoop-control-off': {
    effort: 'vm-restart',
    how: viommuOption('intel-iommu,…,snoop-control=off'),
    edits: ofViommu(['intel'], 'snoopControl', false, false),
  },
  'viommu-device-iotlb-off': {
    effort: 'guest-visible-change',
    how: viommuProperty('device-iotlb=off', "iotlb='off'", 'iommu-iotlb'),
    cost: 'Devices cannot cache translations.',
    edits: ofViommu(['intel'], 'deviceIotlb', false, false),
  },
  'viommu-pasid-off': {
    effort: 'guest-visible-change',
    how: viommuOption(`intel-iommu,…,pasid-bits=0 (before ${RENAMED}: x-pasid-mode=off)`),
    cost: 'The guest has no PASIDs.',
    edits: ofViommu(['intel'], 'pasidBits', 0, 0),
  },
  'viommu-svm-off': {
    effort: 'guest-visible-change',
    how: viommuOption('intel-iommu,…,svm=off'),
    cost: 'The guest has no shared virtual memory.',
    edits: ofViommu(['intel'], 'svm', false, false),
  },
  'viommu-eim-off': {
    effort: 'guest-visible-change',
    how: viommuProperty('eim=off', "eim='off'", 'iommu-caching-mode'),
    cost: 'The guest has no extended interrupt mode.',
    edits: ofViommu(['intel'], 'eim', false, false),
  },
  'viommu-dma-drain': {
    effort: 'vm-restart',
    how: viommuOption('intel-iommu,…,dma-drain=on'),
    edits: ofViommu(['intel'], 'dmaDrain', true, true),
  },
  'viommu-accel': {
    effort: 'vm-restart',
    how: viommuProperty('accel=on', "accel='on'"),
    edits: ofViommu(['smmuv3'], 'accel', true),
  },
  'kernel-irqchip-split': {
    effort: 'vm-restart',
    how: "QEMU: -machine …,kernel-irqchip=split; libvirt: <features><ioapic driver='qemu'/></features>",
    edits: at('/vm/kernelIrqchip', [undefined, 'on'], 'split'),
  },
  'remove-viommu': {
    effort: 'guest-visible-change',
    how: 'QEMU: no -device …-iommu; libvirt: no <iommu>',
    cost: 'The guest has no IOMMU: no device is isolated, and interrupts are not remapped.',
    edits: ({ descriptor: { vm } }) => (vm.viommu ? [edit('/vm/viommu', null)] : []),
  },
  'cpu-invtsc-off': {
    effort: 'guest-visible-change',
    how: "QEMU: -cpu …,invtsc=off; libvirt: <feature policy='disable' name='invtsc'/>",
    cost: 'The guest cannot rely on the TSC for its clock.',
    edits: at('/vm/cpu/invtsc', [true], false),
  },
  'cpu-tsc-frequency': {
    effort: 'vm-restart',
    how:
      "QEMU: -cpu …,tsc-frequency=HZ; libvirt: <clock><timer name='tsc' frequency='HZ'/></clock>, where HZ is what the hosts’ " +
      'TSC runs at ({to} stands for it here)',
    edits: at('/vm/cpu/tscFrequency', [undefined, 0], 1_000_000_000),
  },
  'cpu-hv-flags': {
    effort: 'vm-restart',
    how: "QEMU: -cpu …,hv-… for each enlightenment, hv-passthrough=off, hv-no-nonarch-coresharing=on; libvirt: <hyperv mode='custom'>",
    cost: 'The guest has the enlightenments that are named, and no others.',
    edits: (concern) => [
      ...at('/vm/cpu/hvPassthrough', [true], false)(concern),
      ...at('/vm/cpu/hvNoNonarchCoresharing', ['auto'], 'on')(concern),
    ],
  },
  'convert-image': {
    effort: 'vm-restart',
    how: "with the VM stopped: qemu-img convert -O qcow2; libvirt: <driver name='qemu' type='qcow2'/> of {device}",
    edits: ofItems('/vm/disks', (item, { descriptor }) =>
      valueAt(descriptor, `${item}/format`) === 'qcow2'
        ? []
        : [edit(`${item}/format`, 'qcow2', { device: String(valueAt(descriptor, `${item}/node`)) })],
    ),
  },
  'ivshmem-master': {
    effort: 'device-replug',
    how: "QEMU: -device ivshmem-…,id={device},master=on; libvirt: <shmem role='master'>",
    cost: 'The guest’s shared memory travels with it, and is then shared with nobody.',
    edits: ofOtherDevices('master', true),
  },
  'vhost-scsi-migratable': {
    effort: 'device-replug',
    how: 'QEMU: -device vhost-scsi-pci,id={device},migratable=on; libvirt has no element for it: <qemu:override>',
    cost: 'Whoever migrates the VM must move the state of the SCSI target itself.',
    edits: ofOtherDevices('migratable', true),
  },
  'device-feature-off': {
    effort: 'device-replug',
    how: 'QEMU: -device {option} for {device}',
    cost: 'The guest loses the feature.',
    edits: ofItems('/vm/otherDevices', withoutFeature),
  },
  'other-backend': {
    effort: 'device-replug',
    how: 'a backend of the device that can be migrated',
    cost: REPLUG,
  },
  'newer-machine': {
    effort: 'guest-visible-change',
    how: "QEMU: -machine {to}; libvirt: <os><type machine='{to}'>",
    cost: 'The guest finds other hardware, as after a move to another board.',
    edits: newestMachine,
  },
  'restart-vm': {
    effort: 'vm-restart',
    how: 'shut the VM down and start it again',
    edits: ({ descriptor: { vm } }) => (vm.runtime ? [edit('/vm/runtime', undefined)] : []),
  },
  'shared-memory-backend': {
    effort: 'vm-restart',
    how:
      'QEMU: -object memory-backend-memfd,…,share=on and -machine aux-ram-share=on; libvirt: <memoryBacking>' +
      "<source type='memfd'/><access mode='shared'/></memoryBacking>",
    edits: ({ descriptor: { vm } }) =>
      vm.memoryBackends?.flatMap(({ share }, index) =>
        share ? [] : [edit(`/vm/memoryBackends/${index}/share`, true)],
      ) ?? [edit('/vm/memoryBackends', [{ size: vm.memory, share: true }])],
  },
  'less-memory': {
    effort: 'guest-visible-change',
    how: "QEMU: -m {kib}K; libvirt: <memory unit='KiB'>{kib}</memory>",
    cost: 'The guest has less memory.',
    edits: coverableMemory,
  },
  'not-confidential': {
    effort: 'guest-visible-change',
    how: 'QEMU: -machine without confidential-guest-support; libvirt: no <launchSecurity>',
    cost: 'The host can read the guest’s memory.',
    edits: at('/vm/confidential', ['sev', 'sev-es', 'sev-snp', 'tdx'], 'none'),
  },
};
