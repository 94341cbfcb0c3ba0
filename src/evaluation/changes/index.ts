import type { Descriptor, VfioDescriptor } from '../../descriptor/schema.ts';
import { type Pointer, valueAt } from '../../descriptor/pointer.ts';
import { libvirtFeatures } from '../../platform/libvirt.ts';
import { NEWEST_QEMU, qemuSince } from '../../platform/qemu.ts';
import type { Change } from '../../rules/change.ts';
import { bandwidthFor, coverableMemory, downtimeFor, moreEntries, reachesPast39Bits } from './amounts.ts';
import {
  at,
  type ChangeKind,
  type Concern,
  type Edit,
  edit,
  nameAt,
  ofDevices,
  ofHosts,
  ofItems,
  ofOtherDevices,
  ofViommu,
} from './edit.ts';
import { enabled, newestKernel, newestMachine, newestQemu } from './software.ts';

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

const isBehindViommu = ({ address }: VfioDescriptor, { vm }: Descriptor): boolean =>
  vm.viommu != null && !(address?.bypassIommu ?? vm.defaultBusBypassIommu ?? false);

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
    edits: ofHosts(newestKernel),
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
