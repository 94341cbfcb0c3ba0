import { defaultAddressWidth, type MachineType, parseMachineType } from '../platform/machine.ts';
import type { Version } from '../platform/version.ts';
import { choose, type Fact, type Known, lacking, map, read, type Truth } from './fact.ts';
import type { Pointer } from './pointer.ts';
import { parseSize } from './quantities.ts';
import type { Descriptor, ViommuDescriptor, VmDescriptor } from './schema.ts';

/** The VM itself, the same on either host but for what QEMU's version decides. Sizes in bytes. */
export interface VirtualMachine {
  readonly descriptor: VmDescriptor;
  readonly isRunning: boolean;
  /** What its QEMU gave as reasons in `query-migrate`; `undefined` where it was not asked. */
  readonly blockedReasons: readonly string[] | undefined;
  readonly onlyMigratable: Truth;
  readonly board: Fact<MachineType['board'] | 'other'>;
  readonly accel: Fact<'kvm' | 'tcg'>;
  readonly kernelIrqchip: Fact<'on' | 'split' | 'off' | 'default'>;
  /** Boot RAM, QEMU's `ram_size`. */
  readonly memory: Fact<bigint>;
  /** Whether any RAM is private to the QEMU process. */
  readonly hasPrivateMemory: Truth;
  /** Whether the guest is suspended to RAM. */
  readonly isSuspended: Truth;
  /** Whether the guest has a 9p share mounted. */
  readonly has9pMounted: Truth;
  /** Whether the guest's memory is being dumped. */
  readonly isDumping: Truth;
  /** Whether the host found guest memory broken. */
  readonly hasPoisonedMemory: Truth;
  readonly cpu: Cpu;
  readonly confidential: Fact<'none' | 'sev' | 'sev-es' | 'sev-snp' | 'tdx'>;
  readonly hasViommu: Truth;
  readonly viommu: Viommu | null;
  readonly defaultBusBypassesIommu: Truth;
}

/** What of the virtual CPU decides whether it can be migrated. */
interface Cpu {
  readonly invtsc: Truth;
  readonly hasTscFrequency: Truth;
  readonly hvPassthrough: Truth;
  readonly hvNoNonarchCoresharing: Fact<'on' | 'off' | 'auto'>;
}

/** The guest IOMMU. */
export interface Viommu {
  readonly model: Known<ViommuDescriptor['model']>;
  /** Bits of IOVA. */
  readonly addressWidth: Fact<number>;
  readonly cachingMode: Truth;
  readonly scalableMode: Truth;
  readonly firstStage: Truth;
  /** Whether first-stage translation offers pages of 1 GiB. */
  readonly firstStage1g: Truth;
  readonly snoopControl: Truth;
  readonly dmaDrain: Truth;
  readonly deviceIotlb: Truth;
  readonly dmaTranslation: Truth;
  /** Bits of PASID; 0 for none. */
  readonly pasidBits: Fact<number>;
  readonly svm: Truth;
  /** Extended interrupt mode; off where it is left to QEMU. */
  readonly eim: Truth;
  readonly intremap: Fact<'on' | 'off' | 'auto'>;
  /** amd-iommu: whether it translates the DMA of VFIO devices. */
  readonly dmaRemap: Truth;
  /** amd-iommu: whether it is made with an AMDVI-PCI device of its own. */
  readonly hasPciId: Truth;
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
export function readVm({ vm, closed = true, state }: Descriptor, qemu: Fact<Version>): VirtualMachine {
  return {
    descriptor: vm,
    isRunning: state === 'running',
    blockedReasons: vm.runtime?.blockedReasons,
    onlyMigratable: given('/vm', 'onlyMigratable', vm.onlyMigratable, defaults.onlyMigratable),
    board:
      vm.machine === undefined
        ? defaults.openMachine
        : read('/vm', 'machine', parseMachineType(vm.machine)?.board ?? 'other', 'given'),
    accel: given('/vm', 'accel', vm.accel, defaults.accel),
    kernelIrqchip: given('/vm', 'kernelIrqchip', vm.kernelIrqchip, defaults.kernelIrqchip),
    memory: read('/vm', 'memory', parseSize(vm.memory) as bigint, 'given'),
    hasPrivateMemory: vm.memoryBackends === undefined ? defaults.openMemory : readPrivacy(vm.memoryBackends),
    isSuspended: given('/vm/runtime', 'suspended', vm.runtime?.suspended, defaults.openSuspension),
    has9pMounted: given(
      '/vm/runtime',
      'mounted9p',
      vm.runtime?.mounted9p,
      state === 'running' ? defaults.openMount : defaults.mounted9p,
    ),
    isDumping: given('/vm/runtime', 'dumping', vm.runtime?.dumping, defaults.dumping),
    hasPoisonedMemory: given('/vm/runtime', 'poisonedMemory', vm.runtime?.poisonedMemory, defaults.poisonedMemory),
    cpu: vm.cpu === undefined ? defaults.cpu : readCpu(vm.cpu),
    confidential: given('/vm', 'confidential', vm.confidential, defaults.confidential),
    hasViommu: readHasViommu(vm, closed),
    viommu: vm.viommu ? readViommu(vm.viommu, vm.machine, qemu) : null,
    defaultBusBypassesIommu: given(
      '/vm',
      'defaultBusBypassIommu',
      vm.defaultBusBypassIommu,
      defaults.defaultBusBypassIommu,
    ),
  };
}

const given = <T>(parent: Pointer, field: string, value: T | undefined, otherwise: Fact<T>): Fact<T> =>
  value === undefined ? otherwise : read(parent, field, value, 'given');

const byDefault = <T>(parent: Pointer, field: string, value: T, owner: string): Known<T> =>
  read(parent, field, value, 'default', owner);

const CPU = '/vm/cpu';
const VIOMMU = '/vm/viommu';

const defaultCpu: Cpu = {
  invtsc: byDefault(CPU, 'invtsc', false, 'CPU models'),
  hasTscFrequency: byDefault(CPU, 'tscFrequency', false, 'CPU models'),
  hvPassthrough: byDefault(CPU, 'hvPassthrough', false, 'CPU models'),
  hvNoNonarchCoresharing: byDefault<'on' | 'off' | 'auto'>(CPU, 'hvNoNonarchCoresharing', 'off', 'CPU models'),
};

const defaults = {
  onlyMigratable: byDefault('/vm', 'onlyMigratable', false, 'QEMU'),
  accel: byDefault<'kvm' | 'tcg'>('/vm', 'accel', 'kvm', 'a VM with VFIO devices'),
  kernelIrqchip: byDefault<'on' | 'split' | 'off' | 'default'>('/vm', 'kernelIrqchip', 'default', 'QEMU'),
  cpu: defaultCpu,
  confidential: byDefault<'none' | 'sev' | 'sev-es' | 'sev-snp' | 'tdx'>('/vm', 'confidential', 'none', 'QEMU'),
  defaultBusBypassIommu: byDefault('/vm', 'defaultBusBypassIommu', false, 'machine type'),
  openMachine: lacking('/vm/machine'),
  openMemory: lacking('/vm/memoryBackends'),
  openSuspension: lacking('/vm/runtime/suspended'),
  mounted9p: byDefault('/vm/runtime', 'mounted9p', false, 'a VM that is planned'),
  openMount: lacking('/vm/runtime/mounted9p'),
  dumping: byDefault('/vm/runtime', 'dumping', false, 'a VM of which it is not said'),
  poisonedMemory: byDefault('/vm/runtime', 'poisonedMemory', false, 'a VM of which it is not said'),
  noViommu: byDefault('/vm', 'viommu', false, 'what is not listed is absent'),
  openViommu: lacking(VIOMMU),
  viommu: {
    cachingMode: byDefault(VIOMMU, 'cachingMode', false, 'intel-iommu'),
    scalableMode: byDefault(VIOMMU, 'scalableMode', false, 'intel-iommu'),
    firstStage: byDefault(VIOMMU, 'firstStage', false, 'intel-iommu'),
    firstStage1g: byDefault(VIOMMU, 'firstStage1g', true, 'intel-iommu'),
    snoopControl: byDefault(VIOMMU, 'snoopControl', false, 'intel-iommu'),
    dmaDrain: byDefault(VIOMMU, 'dmaDrain', true, 'intel-iommu'),
    deviceIotlb: byDefault(VIOMMU, 'deviceIotlb', false, 'intel-iommu'),
    dmaTranslation: byDefault(VIOMMU, 'dmaTranslation', true, 'intel-iommu'),
    pasidBits: byDefault(VIOMMU, 'pasidBits', 0, 'intel-iommu'),
    svm: byDefault(VIOMMU, 'svm', false, 'intel-iommu'),
    eim: byDefault(VIOMMU, 'eim', false, 'intel-iommu'),
    intremap: byDefault<'on' | 'off' | 'auto'>(VIOMMU, 'intremap', 'auto', 'intel-iommu'),
    dmaRemap: byDefault(VIOMMU, 'dmaRemap', false, 'amd-iommu'),
    hasPciId: byDefault(VIOMMU, 'pciId', false, 'amd-iommu'),
    accel: byDefault(VIOMMU, 'accel', false, 'arm-smmuv3'),
  },
};

const readPrivacy = (backends: NonNullable<VmDescriptor['memoryBackends']>): Truth => {
  const index = backends.findIndex(({ share }) => share !== true);
  return index === -1
    ? map(read('/vm', 'memoryBackends', 'all shared', 'given'), () => false)
    : map(
        read(
          `/vm/memoryBackends/${index}`,
          'share',
          false,
          backends[index]?.share === undefined ? 'default' : 'given',
          'memory backends',
        ),
        () => true,
      );
};

const readCpu = (cpu: NonNullable<VmDescriptor['cpu']>): Cpu => ({
  invtsc: given(CPU, 'invtsc', cpu.invtsc, defaultCpu.invtsc),
  hasTscFrequency:
    cpu.tscFrequency === undefined
      ? defaultCpu.hasTscFrequency
      : map(read(CPU, 'tscFrequency', cpu.tscFrequency, 'given'), (hertz) => hertz > 0),
  hvPassthrough: given(CPU, 'hvPassthrough', cpu.hvPassthrough, defaultCpu.hvPassthrough),
  hvNoNonarchCoresharing: given(
    CPU,
    'hvNoNonarchCoresharing',
    cpu.hvNoNonarchCoresharing,
    defaultCpu.hvNoNonarchCoresharing,
  ),
});

function readHasViommu({ viommu }: VmDescriptor, closed: boolean): Truth {
  if (viommu !== undefined) return read('/vm', 'viommu', viommu !== null, 'given');
  return closed ? defaults.noViommu : defaults.openViommu;
}

function readViommu(viommu: ViommuDescriptor, machine: string | undefined, qemu: Fact<Version>): Viommu {
  const flag = (field: Exclude<keyof typeof defaults.viommu, 'pasidBits' | 'intremap' | 'hasPciId'>): Truth =>
    given(VIOMMU, field, viommu[field], defaults.viommu[field]);
  return {
    model: read(VIOMMU, 'model', viommu.model, 'given'),
    addressWidth:
      viommu.addressWidth === undefined
        ? readDefaultAddressWidth(viommu.model, machine, qemu)
        : read(VIOMMU, 'addressWidth', viommu.addressWidth, 'given'),
    cachingMode: flag('cachingMode'),
    scalableMode: flag('scalableMode'),
    firstStage: flag('firstStage'),
    firstStage1g: flag('firstStage1g'),
    snoopControl: flag('snoopControl'),
    dmaDrain: flag('dmaDrain'),
    deviceIotlb: flag('deviceIotlb'),
    dmaTranslation: flag('dmaTranslation'),
    pasidBits: given(VIOMMU, 'pasidBits', viommu.pasidBits, defaults.viommu.pasidBits),
    svm: flag('svm'),
    eim: flag('eim'),
    intremap:
      viommu.intremap === undefined
        ? defaults.viommu.intremap
        : map(read(VIOMMU, 'intremap', viommu.intremap, 'given'), (on) => (on ? 'on' : 'off')),
    dmaRemap: flag('dmaRemap'),
    hasPciId:
      viommu.pciId === undefined
        ? defaults.viommu.hasPciId
        : map(read(VIOMMU, 'pciId', viommu.pciId, 'given'), () => true),
    accel: flag('accel'),
  };
}

/** By the machine type's own version, or for an alias by the QEMU that runs it. */
function readDefaultAddressWidth(
  model: ViommuDescriptor['model'],
  machine: string | undefined,
  qemu: Fact<Version>,
): Fact<number> {
  const unknown = lacking(`${VIOMMU}/addressWidth`);
  const type = machine === undefined ? undefined : parseMachineType(machine);
  if (!type || type.version === 'unknown') return unknown;
  return choose(machineVersion({ machine }, qemu), (value) => {
    const width = defaultAddressWidth(model, type.board, value);
    return width === undefined ? unknown : byDefault(VIOMMU, 'addressWidth', width, `${model}-iommu of ${machine}`);
  });
}

/** The version of the machine type that `qemu` runs: of an alias its own. */
export function machineVersion({ machine }: Pick<VmDescriptor, 'machine'>, qemu: Fact<Version>): Fact<Version> {
  const type = machine === undefined ? undefined : parseMachineType(machine);
  if (!type || type.version === 'unknown') return lacking('/vm/machine');
  const { version: own } = type;
  return own === 'newest' ? qemu : map(read('/vm', 'machine', machine, 'given'), () => own);
}
