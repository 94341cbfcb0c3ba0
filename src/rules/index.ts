import type { DeviceRule, VmRule } from './rule.ts';
import { vfioDirtyTracking } from './vfio-dirty-tracking.ts';
import { vfioMigrationDisabled } from './vfio-migration-disabled.ts';
import { vfioMigrationInit } from './vfio-migration-init.ts';
import { vfioNoMigrationSupport } from './vfio-no-migration-support.ts';
import { vfioP2p } from './vfio-p2p.ts';
import { vfioProtocolV1 } from './vfio-protocol-v1.ts';
import { vfioRamLimit } from './vfio-ram-limit.ts';
import { vfioTrackingStart } from './vfio-tracking-start.ts';
import { vfioUnmap } from './vfio-unmap.ts';
import { vfioUntrackedDma } from './vfio-untracked-dma.ts';
import { vfioViommu } from './vfio-viommu.ts';
import { viommuAddressWidth } from './viommu-address-width.ts';
import { viommuCachingMode } from './viommu-caching-mode.ts';
import { viommuHostAddressWidth } from './viommu-host-address-width.ts';
import { viommuStaleMappings } from './viommu-stale-mappings.ts';

/** Rules about the VM: QEMU answers them before it looks at a VFIO device. */
export const vmRules: readonly VmRule[] = [viommuAddressWidth];

/**
 * Rules about each VFIO device, in the order in which QEMU evaluates them: what the vIOMMU says of the device, then
 * `vfio_migration_realize` step by step, then what can go wrong once migration runs.
 */
export const deviceRules: readonly DeviceRule[] = [
  viommuHostAddressWidth,
  viommuCachingMode,
  vfioProtocolV1,
  vfioMigrationDisabled,
  vfioNoMigrationSupport,
  vfioMigrationInit,
  vfioRamLimit,
  vfioDirtyTracking,
  vfioP2p,
  vfioViommu,
  vfioTrackingStart,
  vfioUntrackedDma,
  vfioUnmap,
  viommuStaleMappings,
];
