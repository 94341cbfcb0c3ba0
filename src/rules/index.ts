import type { ContainerRule, DeviceRule, DiskRule, LogRule, OtherRule, Rule, VmRule } from './rule.ts';
import { vfioApCcw } from './vfio-ap-ccw.ts';
import { vfioBackgroundSnapshot } from './vfio-background-snapshot.ts';
import { vfioCpr } from './vfio-cpr.ts';
import { vfioCprIommufd } from './vfio-cpr-iommufd.ts';
import { vfioCprMdev } from './vfio-cpr-mdev.ts';
import { vfioCprMemory } from './vfio-cpr-memory.ts';
import { vfioCprReboot } from './vfio-cpr-reboot.ts';
import { vfioDeviceState } from './vfio-device-state.ts';
import { vfioDirtySync } from './vfio-dirty-sync.ts';
import { vfioDirtyTracking } from './vfio-dirty-tracking.ts';
import { vfioHotplug } from './vfio-hotplug.ts';
import { vfioMigrationDisabled } from './vfio-migration-disabled.ts';
import { vfioMigrationInit } from './vfio-migration-init.ts';
import { vfioMultifd } from './vfio-multifd.ts';
import { vfioNoMigrationSupport } from './vfio-no-migration-support.ts';
import { vfioP2p } from './vfio-p2p.ts';
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
import { viommuAddressWidth } from './viommu-address-width.ts';
import { viommuCachingMode } from './viommu-caching-mode.ts';
import { viommuDirtyLost } from './viommu-dirty-lost.ts';
import { viommuDirtyRate } from './viommu-dirty-rate.ts';
import { viommuHostAddressWidth } from './viommu-host-address-width.ts';
import { viommuIommufdHoles } from './viommu-iommufd-holes.ts';
import { viommuStaleMappings } from './viommu-stale-mappings.ts';
import { viommuUnmapCredit } from './viommu-unmap-credit.ts';

/**
 * The rules that QEMU comes to together, by what they are about. Of one pass it comes to the disks first, then to the VM,
 * to each device in the order in which it realizes them, and to each VFIO container; within each, to the rules as listed.
 */
export interface Pass {
  readonly name: string;
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
  { name: 'disks are opened' },
  { name: 'the machine is made', vm: [viommuAddressWidth] },
  {
    name: 'devices are realized',
    device: [
      viommuHostAddressWidth,
      viommuCachingMode,
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
  { name: 'the machine is ready', vm: [vfioCprMemory] },
];

/** What QEMU comes to on the source, in order. */
export const passes: readonly Pass[] = [
  ...startPasses,
  { name: 'migrate is called', vm: [vfioSwitchoverAck], device: [vfioPostcopy, vfioBackgroundSnapshot] },
  { name: 'dirty tracking starts', device: [vfioCprReboot, vfioMultifd, vfioTrackingStart] },
  {
    name: 'migration runs',
    vm: [vfioHotplug],
    device: [
      vfioUntrackedDma,
      vfioUnmap,
      vfioSectionUnmap,
      viommuStaleMappings,
      viommuDirtyLost,
      viommuUnmapCredit,
      viommuIommufdHoles,
      viommuDirtyRate,
    ],
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
export const logRules: readonly LogRule[] = [vfioDirtySync, vfioDeviceState];
