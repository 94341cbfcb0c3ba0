import { defaultAddressWidth, parseMachineType } from '../platform/machine.ts';
import type { Version } from '../platform/version.ts';
import { type Fact, lacking, map, read, choose, type Truth } from './fact.ts';
import { parseSize } from './quantities.ts';
import type { Descriptor, ViommuDescriptor, VmDescriptor } from './schema.ts';

/** The VM itself, the same on either host but for what QEMU's version decides. Sizes in bytes. */
export interface VirtualMachine {
  readonly onlyMigratable: Truth;
  /** Boot RAM, QEMU's `ram_size`. */
  readonly memory: Fact<bigint>;
  /** Whether RAM is made of several backends, each of which VFIO maps by itself. */
  readonly hasSeveralBackends: boolean;
  readonly hasViommu: Truth;
  readonly viommu: Viommu | null;
  readonly defaultBusBypassesIommu: Truth;
}

/** The guest IOMMU. */
export interface Viommu {
  readonly model: Fact<ViommuDescriptor['model']>;
  /** Bits of IOVA. */
  readonly addressWidth: Fact<number>;
  readonly cachingMode: Truth;
  readonly scalableMode: Truth;
  readonly firstStage: Truth;
  /** arm-smmuv3: whether the guest's tables are nested in the host's. */
  readonly accel: Truth;
}

/** Whether the descriptor's machine, vIOMMU or host IOMMU exists on x86 only. */
export function isX86({ vm, source }: Descriptor): boolean {
  const board = vm.machine === undefined ? undefined : parseMachineType(vm.machine)?.board;
  if (board !== undefined) return board !== 'virt';
  const vendor = source.iommu?.vendor;
  return vm.viommu?.model === 'intel' || vm.viommu?.model === 'amd' || vendor === 'intel' || vendor === 'amd';
}

/** Reads the VM as the QEMU of version `qemu` starts it. */
export function readVm({ vm, closed = true }: Descriptor, qemu: Fact<Version>): VirtualMachine {
  return {
    onlyMigratable: flag('/vm/onlyMigratable', vm.onlyMigratable, 'QEMU'),
    memory: read('/vm/memory', parseSize(vm.memory) as bigint, 'given'),
    hasSeveralBackends: (vm.memoryBackends?.length ?? 1) > 1,
    hasViommu: readHasViommu(vm, closed),
    viommu: vm.viommu ? readViommu(vm.viommu, vm.machine, qemu) : null,
    defaultBusBypassesIommu: flag('/vm/defaultBusBypassIommu', vm.defaultBusBypassIommu, 'machine type'),
  };
}

/** A switch that is off unless given. */
const flag = (pointer: string, value: boolean | undefined, owner: string): Truth =>
  value === undefined ? read(pointer, false, 'default', owner) : read(pointer, value, 'given');

function readHasViommu({ viommu }: VmDescriptor, closed: boolean): Truth {
  if (viommu !== undefined) return read('/vm/viommu', viommu !== null, 'given');
  return closed ? read('/vm/viommu', false, 'default', 'what is not listed is absent') : lacking('/vm/viommu');
}

function readViommu(viommu: ViommuDescriptor, machine: string | undefined, qemu: Fact<Version>): Viommu {
  const at = (field: string): string => `/vm/viommu/${field}`;
  return {
    model: read(at('model'), viommu.model, 'given'),
    addressWidth:
      viommu.addressWidth === undefined
        ? readDefaultAddressWidth(viommu.model, machine, qemu)
        : read(at('addressWidth'), viommu.addressWidth, 'given'),
    cachingMode: flag(at('cachingMode'), viommu.cachingMode, 'intel-iommu'),
    scalableMode: flag(at('scalableMode'), viommu.scalableMode, 'intel-iommu'),
    firstStage: flag(at('firstStage'), viommu.firstStage, 'intel-iommu'),
    accel: flag(at('accel'), viommu.accel, 'arm-smmuv3'),
  };
}

/** By the machine type's own version, or for an alias by the QEMU that runs it. */
function readDefaultAddressWidth(
  model: ViommuDescriptor['model'],
  machine: string | undefined,
  qemu: Fact<Version>,
): Fact<number> {
  const pointer = '/vm/viommu/addressWidth';
  const type = machine === undefined ? undefined : parseMachineType(machine);
  if (!type || type.version === 'unknown') return lacking(pointer);
  const { board, version: own } = type;
  const version = own === 'newest' ? qemu : map(read('/vm/machine', machine, 'given'), () => own);
  return choose(version, (value) => {
    const width = defaultAddressWidth(model, board, value);
    return width === undefined ? lacking(pointer) : read(pointer, width, 'default', `${model}-iommu of ${machine}`);
  });
}

/** Whether `fact` is known to be `value`. */
export const isKnownToBe = <T>(fact: Fact<T>, value: T): boolean => {
  const same = map(fact, (known) => known === value);
  return same.known && same.value;
};
