import { acceleratorMigration } from './accelerator-migration.ts';
import { confidentialSev } from './confidential-sev.ts';
import { confidentialSnp } from './confidential-snp.ts';
import { cpuHvCoresharing } from './cpu-hv-coresharing.ts';
import { cpuHvPassthrough } from './cpu-hv-passthrough.ts';
import { cpuInvtsc } from './cpu-invtsc.ts';
import { deviceUnmigratable } from './device-unmigratable.ts';
import { dumpInProgress } from './dump-in-progress.ts';
import { hostDmaEntries } from './host-dma-entries.ts';
import { hostMemlock } from './host-memlock.ts';
import { imageFormat } from './image-format.ts';
import { ivshmemPeer } from './ivshmem-peer.ts';
import { memoryPoisoned } from './memory-poisoned.ts';
import { migrationCpr } from './migration-cpr.ts';
import { migrationMappedRam } from './migration-mapped-ram.ts';
import { migrationState } from './migration-state.ts';
import { nvdimmUnarmed } from './nvdimm-unarmed.ts';
import { nvmeFeatures } from './nvme-features.ts';
import { nvmeNamespaces } from './nvme-namespaces.ts';
import { qemuPropertyAbsent } from './qemu-property-absent.ts';
import { remoteProxy } from './remote-proxy.ts';
import type { ContainerRule, DeviceRule, DiskRule, LogRule, OtherRule, Rule, VmRule } from './rule.ts';
import { runtimeBlockedReason } from './runtime-blocked-reason.ts';
import { tcgPlugin } from './tcg-plugin.ts';
import { tpmCrbChunks } from './tpm-crb-chunks.ts';
import { tpmEmulator } from './tpm-emulator.ts';
import { vdpaShadowVirtqueue } from './vdpa-shadow-virtqueue.ts';
import { vfioApCcw } from './vfio-ap-ccw.ts';
import { vfioAts } from './vfio-ats.ts';
import { vfioAtsAbsent } from './vfio-ats-absent.ts';
import { vfioAtsMasked } from './vfio-ats-masked.ts';
import { vfioBackgroundSnapshot } from './vfio-background-snapshot.ts';
import { vfioConvergence } from './vfio-convergence.ts';
import { vfioCpr } from './vfio-cpr.ts';
import { vfioCprIommufd } from './vfio-cpr-iommufd.ts';
import { vfioCprMdev } from './vfio-cpr-mdev.ts';
import { vfioCprMemory } from './vfio-cpr-memory.ts';
import { vfioCprReboot } from './vfio-cpr-reboot.ts';
import { vfioDeviceState } from './vfio-device-state.ts';
import { vfioDirtySync } from './vfio-dirty-sync.ts';
import { vfioDirtyTracking } from './vfio-dirty-tracking.ts';
import { vfioGroupAddressSpaces } from './vfio-group-address-spaces.ts';
import { vfioHotplug } from './vfio-hotplug.ts';
import { vfioIommufdAbsent } from './vfio-iommufd-absent.ts';
import { vfioIommufdKernel } from './vfio-iommufd-kernel.ts';
import { vfioLoggingRanges } from './vfio-logging-ranges.ts';
import { vfioMigrationDisabled } from './vfio-migration-disabled.ts';
import { vfioMigrationInit } from './vfio-migration-init.ts';
import { vfioMultifd } from './vfio-multifd.ts';
import { vfioNoMigrationSupport } from './vfio-no-migration-support.ts';
import { vfioP2p } from './vfio-p2p.ts';
import { vfioPasidCapability } from './vfio-pasid-capability.ts';
import { vfioPostcopy } from './vfio-postcopy.ts';
import { vfioProtocolV1 } from './vfio-protocol-v1.ts';
import { vfioRamLimit } from './vfio-ram-limit.ts';
import { vfioRamfb } from './vfio-ramfb.ts';
import { vfioSectionUnmap } from './vfio-section-unmap.ts';
import { vfioSwitchoverAck } from './vfio-switchover-ack.ts';
import { vfioTrackingStart } from './vfio-tracking-start.ts';
import { vfioUnmap } from './vfio-unmap.ts';
import { vfioUntrackedDma } from './vfio-untracked-dma.ts';
import { vfioUser } from './vfio-user.ts';
import { vfioViommu } from './vfio-viommu.ts';
import { vhostLog } from './vhost-log.ts';
import { vhostScsiMigratable } from './vhost-scsi-migratable.ts';
import { vhostSharedLog } from './vhost-shared-log.ts';
import { vhostUserLog } from './vhost-user-log.ts';
import { viommuAddressWidth } from './viommu-address-width.ts';
import { viommuAmdAssignment } from './viommu-amd-assignment.ts';
import { viommuAmdDmaRemap } from './viommu-amd-dma-remap.ts';
import { viommuAmdMigration } from './viommu-amd-migration.ts';
import { viommuCachingMode } from './viommu-caching-mode.ts';
import { viommuCachingModeMdev } from './viommu-caching-mode-mdev.ts';
import { viommuDeviceIotlb } from './viommu-device-iotlb.ts';
import { viommuDirtyLost } from './viommu-dirty-lost.ts';
import { viommuDirtyRate } from './viommu-dirty-rate.ts';
import { viommuDmaDrain } from './viommu-dma-drain.ts';
import { viommuEim } from './viommu-eim.ts';
import { viommuEimIrqchip } from './viommu-eim-irqchip.ts';
import { viommuFirstStage } from './viommu-first-stage.ts';
import { viommuFirstStage1g } from './viommu-first-stage-1g.ts';
import { viommuFirstStageBridge } from './viommu-first-stage-bridge.ts';
import { viommuFirstStageErratum } from './viommu-first-stage-erratum.ts';
import { viommuFirstStagePlatform } from './viommu-first-stage-platform.ts';
import { viommuFirstStageScalable } from './viommu-first-stage-scalable.ts';
import { viommuGranule } from './viommu-granule.ts';
import { viommuHostAddressWidth } from './viommu-host-address-width.ts';
import { viommuHostDevice } from './viommu-host-device.ts';
import { viommuHostPasid } from './viommu-host-pasid.ts';
import { viommuIntremap } from './viommu-intremap.ts';
import { viommuIommufdHoles } from './viommu-iommufd-holes.ts';
import { viommuMachine } from './viommu-machine.ts';
import { viommuMultiple } from './viommu-multiple.ts';
import { viommuMultipleVirt } from './viommu-multiple-virt.ts';
import { viommuPasidDeviceIotlb } from './viommu-pasid-device-iotlb.ts';
import { viommuPasidScalable } from './viommu-pasid-scalable.ts';
import { viommuPasidWidth } from './viommu-pasid-width.ts';
import { viommuSmmuv3 } from './viommu-smmuv3.ts';
import { viommuSmmuv3Accel } from './viommu-smmuv3-accel.ts';
import { viommuSnoopControl } from './viommu-snoop-control.ts';
import { viommuStaleMappings } from './viommu-stale-mappings.ts';
import { viommuSvm } from './viommu-svm.ts';
import { viommuUnmapCredit } from './viommu-unmap-credit.ts';
import { viommuVirtioAddressWidth } from './viommu-virtio-address-width.ts';
import { virtfsMounted } from './virtfs-mounted.ts';
import { virtioGpuVirgl } from './virtio-gpu-virgl.ts';
import { virtioSharedMemory } from './virtio-shared-memory.ts';
import { virtiofsBackend } from './virtiofs-backend.ts';

/**
 * The rules that QEMU comes to together, by what they are about. Of one pass it comes to the disks first, then to the VM,
 * to each device in the order in which it realizes them, and to each VFIO container; within each, to the rules as listed.
 */
export interface Pass {
  readonly name: string;
  /** It comes to pass only where memory is copied while the guest runs: in mode normal. */
  readonly copiesMemory?: true;
  readonly disk?: readonly DiskRule[];
  readonly vm?: readonly VmRule[];
  readonly other?: readonly OtherRule[];
  /** VFIO devices that go through `vfio_migration_realize`. */
  readonly device?: readonly DeviceRule[];
  /** VFIO devices that do not: vfio-ap, vfio-ccw, vfio-user. */
  readonly unprepared?: readonly DeviceRule[];
  readonly container?: readonly ContainerRule[];
}

/** What QEMU comes to until the VM runs, on either host. */
export const startPasses: readonly Pass[] = [
  { name: 'disks are opened', disk: [imageFormat] },
  { name: 'backends are made', other: [tpmEmulator] },
  {
    name: 'the machine is made',
    vm: [
      cpuInvtsc,
      cpuHvPassthrough,
      cpuHvCoresharing,
      viommuMachine,
      qemuPropertyAbsent,
      viommuIntremap,
      // vtd_realize, vtd_decide_config
      viommuPasidDeviceIotlb,
      viommuEim,
      viommuEimIrqchip,
      viommuFirstStageScalable,
      viommuAddressWidth,
      viommuDmaDrain,
      viommuPasidScalable,
      viommuPasidWidth,
      viommuSvm,
      // the other models
      viommuVirtioAddressWidth,
      viommuSmmuv3Accel,
      viommuAmdMigration,
      viommuMultiple,
      viommuMultipleVirt,
    ],
  },
  { name: 'containers are opened', vm: [hostMemlock], container: [hostDmaEntries] },
  {
    name: 'devices are realized',
    other: [
      deviceUnmigratable,
      nvmeFeatures,
      ivshmemPeer,
      vhostScsiMigratable,
      vhostUserLog,
      vhostLog,
      virtioSharedMemory,
      vdpaShadowVirtqueue,
      virtioGpuVirgl,
      tpmCrbChunks,
      remoteProxy,
      nvdimmUnarmed,
    ],
    device: [
      vfioIommufdAbsent,
      vfioAtsAbsent,
      // the device is attached to a container
      vfioIommufdKernel,
      vfioGroupAddressSpaces,
      viommuAmdAssignment,
      viommuSmmuv3,
      // set_iommu_device
      viommuHostAddressWidth,
      viommuCachingMode,
      viommuFirstStage,
      viommuFirstStagePlatform,
      viommuFirstStage1g,
      viommuHostPasid,
      viommuFirstStageBridge,
      viommuFirstStageErratum,
      vfioAts,
      vfioAtsMasked,
      vfioRamfb,
      // vfio_migration_realize, step by step
      vfioProtocolV1,
      vfioMigrationDisabled,
      vfioNoMigrationSupport,
      vfioMigrationInit,
      vfioRamLimit,
      vfioDirtyTracking,
      vfioP2p,
      vfioViommu,
      vfioCprMdev,
    ],
    unprepared: [vfioApCcw],
    container: [vfioCpr, vfioCprIommufd],
  },
  { name: 'the machine is ready', vm: [vfioCprMemory, confidentialSev, confidentialSnp] },
];

/** What QEMU comes to on the source, in order. */
export const passes: readonly Pass[] = [
  ...startPasses,
  {
    name: 'the VM runs',
    vm: [dumpInProgress],
    other: [virtfsMounted],
    device: [viommuCachingModeMdev, viommuSnoopControl, viommuAmdDmaRemap, viommuDirtyRate],
  },
  {
    name: 'migrate is called',
    vm: [memoryPoisoned, migrationMappedRam, migrationCpr, vfioSwitchoverAck],
    device: [vfioPostcopy, vfioBackgroundSnapshot, vfioCprReboot, vfioMultifd],
  },
  { name: 'dirty tracking starts', copiesMemory: true, device: [vfioLoggingRanges, vfioTrackingStart] },
  {
    name: 'migration runs',
    copiesMemory: true,
    vm: [vfioConvergence, vfioHotplug],
    device: [
      vfioUntrackedDma,
      vfioUnmap,
      vfioSectionUnmap,
      viommuStaleMappings,
      viommuDirtyLost,
      viommuUnmapCredit,
      viommuIommufdHoles,
    ],
  },
  {
    name: 'state is saved',
    other: [nvmeNamespaces, virtiofsBackend],
    unprepared: [vfioUser],
  },
];

/** All rules, in the order in which QEMU comes to them. */
export const rules: readonly Rule[] = passes.flatMap(
  ({ disk = [], vm = [], other = [], device = [], unprepared = [], container = [] }): Rule[] => [
    ...disk,
    ...vm,
    ...other,
    ...device,
    ...unprepared,
    ...container,
  ],
);

/** What nothing in a descriptor tells in advance. */
export const logRules: readonly LogRule[] = [
  vfioDirtySync,
  vfioDeviceState,
  runtimeBlockedReason,
  vhostSharedLog,
  migrationState,
  tcgPlugin,
  acceleratorMigration,
  viommuHostDevice,
  viommuDeviceIotlb,
  viommuGranule,
  vfioPasidCapability,
];
