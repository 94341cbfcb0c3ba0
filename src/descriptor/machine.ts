import {
  type Machine,
  type MappingRun,
  RECENT_KERNEL,
  type Tracker,
  type Viommu as SimulatedViommu,
} from '../simulator/index.ts';
import type { Device } from './device.ts';
import { choose, constant, type Fact, map, record } from './fact.ts';
import type { Host } from './host.ts';
import { bytesOf } from './quantities.ts';
import { oncePer } from './remembered.ts';
import type { VfioDescriptor } from './schema.ts';
import type { Viommu } from './vm.ts';

/** What of a container its simulation depends on. */
export interface SimulatedContainer {
  readonly tracker: Fact<Tracker>;
  readonly backend: Fact<'legacy' | 'iommufd'>;
  readonly devices: readonly Device[];
}

/** What of a {@link Machine} is the same whatever is mapped and tracked. */
export type StillMachine = Omit<Machine, 'tracking' | 'mappings' | 'sections'>;

/** Bytes that a process can address on x86-64: no allocator grants more. */
const USER_ADDRESS_SPACE = 1n << 47n;

/** The simulator's machine for a container behind `viommu`, or in system memory where that is `null`. */
export function readMachine(container: SimulatedContainer, viommu: Viommu | null, host: Host): Fact<StillMachine> {
  const { domainUnmap, bitmapGate, iommufdUnmap, regionDelBitmap, unmapAll } = host.qemu;
  const { tracker, backend, devices } = container;
  const facts = record({
    behaviours: record({ domainUnmap, bitmapGate, iommufdUnmap, regionDelBitmap, unmapAll }),
    viommu: readViommu(viommu),
    tracker,
    backend,
    pageSize: host.pageSize,
    maxDirtyBitmapSize: host.maxDirtyBitmapSize,
  });
  return map(facts, (known) => ({
    behaviours: known.behaviours,
    viommu: known.viommu,
    container: {
      backend: known.backend,
      tracker: known.tracker,
      devices: devices.length,
      trackingHwpts: known.tracker === 'iommu' ? 1 : 0,
      pageSize: known.pageSize,
      maxDirtyBitmapSize: known.maxDirtyBitmapSize,
      loggingBits: {
        min: Math.max(...devices.map(({ loggingBits }) => loggingBits.min)),
        max: Math.min(...devices.map(({ loggingBits }) => loggingBits.max)),
        maxRanges: Math.min(...devices.map(({ loggingBits }) => loggingBits.maxRanges)),
      },
      allocatable: host.memory ?? USER_ADDRESS_SPACE,
      kernel: { ...RECENT_KERNEL, iommuGroup: hasIommuGroup(devices) },
    },
  }));
}

/** Whether an IOMMU stands between the devices and the host's memory: a mediated device has none. */
export const hasIommuGroup = (devices: readonly Device[]): boolean => devices.some(({ type }) => type === 'vfio-pci');

/** Equal for machines that behave alike. */
export const machineKey = oncePer(({ behaviours, viommu, container }: StillMachine): string => {
  const { backend, tracker, devices, trackingHwpts, pageSize, maxDirtyBitmapSize, loggingBits, allocatable, kernel } =
    container;
  const guest =
    viommu.model === 'intel'
      ? `intel ${viommu.addressWidth} ${viommu.scalableMode} ${viommu.firstStage}`
      : `${viommu.model} ${viommu.model === 'smmuv3' ? viommu.accel : ''}`;
  return `${Object.values(behaviours).join(' ')} ${guest} ${backend} ${tracker} ${devices} ${trackingHwpts} ${pageSize} ${maxDirtyBitmapSize} ${loggingBits?.min} ${loggingBits?.max} ${loggingBits?.maxRanges} ${allocatable} ${kernel?.iommuGroup}`;
});

function readViommu(viommu: Viommu | null): Fact<SimulatedViommu> {
  if (viommu === null) return constant({ model: 'none' });
  const { addressWidth, scalableMode, firstStage, accel } = viommu;
  return choose(viommu.model, (model): Fact<SimulatedViommu> => {
    switch (model) {
      case 'intel':
        return map(record({ addressWidth, scalableMode, firstStage }), (known) => ({ model, ...known }));
      case 'smmuv3':
        return map(accel, (known) => ({ model, accel: known }));
      case 'virtio':
      case 'amd':
        return constant({ model });
    }
  });
}

/** The runs of mappings that a descriptor lists. */
export const readMappings = (mappings: NonNullable<VfioDescriptor['mappings']>): MappingRun[] =>
  mappings.map(({ iova, pageSize, count, gpa }) => ({
    iova: BigInt(iova),
    size: bytesOf(pageSize),
    count: BigInt(count),
    ...(gpa !== undefined && { gpa: BigInt(gpa) }),
  }));
