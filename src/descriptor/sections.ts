import { avoidsAmdHole, PCI_HOLE64, parseMachineType } from '../platform/machine.ts';
import type { Version } from '../platform/version.ts';
import {
  type Dimm,
  type MachineMemory,
  type MemorySection,
  pcLayout,
  pcSections,
  type VfioSections,
  virtLayout,
  virtSections,
  vfioRange,
  larger,
  smaller,
} from '../simulator/index.ts';
import { type Fact, lacking, map, read } from './fact.ts';
import { lazy } from './lazy.ts';
import { parseSize, type Size } from './quantities.ts';
import type { Descriptor } from './schema.ts';

/** The sections of system memory that VFIO maps for a device that is not translated, and what was assumed of them. */
export interface Sections {
  readonly sections: readonly MemorySection[];
  readonly assumptions: readonly string[];
  /** Equal for the same sections. */
  readonly key: () => string;
}

/** What a PC lays out below 1 MiB it lays out in no less than this. */
const LEAST_PC_MEMORY = 2n << 20n;

/** Bytes that a guest can address: no vCPU has more than 52 physical address bits. */
const ADDRESSABLE = 1n << 52n;

/** Reads where the VM's memory lies, in whole host pages of `pageSize` bytes. */
export function readSections({ vm }: Descriptor, qemu: Fact<Version>, pageSize: bigint): Fact<Sections> {
  const type = vm.machine === undefined ? undefined : parseMachineType(vm.machine);
  if (!type) return lacking('/vm/machine');
  const { board } = type;
  const { memory, dimms, isCut } = memoryOf(vm);
  const machine = read('/vm', 'machine', vm.machine, 'given');
  if (board === 'virt') return map(machine, () => mapped(virtSections(virtLayout(memory), dimms), pageSize, isCut));
  const { version: own } = type;
  const version = own === 'newest' ? qemu : map(machine, () => own);
  return map(version, (machineVersion) => {
    const layout = pcLayout({
      machine: board,
      ...memory,
      maxRamBelow4g: vm.maxRamBelow4g === undefined ? undefined : larger(bytes(vm.maxRamBelow4g), LEAST_PC_MEMORY),
      amdCpu: /amd/i.test(vm.cpu?.vendor ?? ''),
      physBits: vm.cpu?.physBits ?? 52,
      enforceAmd1TbHole: avoidsAmdHole(machineVersion),
      gigabyteAlign: true,
      pciHole64Size: PCI_HOLE64[board],
    });
    return mapped(pcSections(layout, { stage: 'booted', vga: 'none' }, dimms), pageSize, isCut);
  });
}

const bytes = (size: Size): bigint => parseSize(size) as bigint;

const dimmsOf = ({ hotplugged = [] }: Descriptor['vm']): bigint[] =>
  hotplugged.filter(({ model }) => model === 'dimm').map(({ size }) => bytes(size));

/** The memory of the machine, with room for what is plugged into it; cut to what a guest can address. */
function memoryOf(vm: Descriptor['vm']): { memory: MachineMemory; dimms: readonly Dimm[]; isCut: boolean } {
  const given = larger(bytes(vm.memory), LEAST_PC_MEMORY);
  const plugged = dimmsOf(vm).reduce((sum, size) => sum + size, given);
  const maximum = larger(plugged, vm.maxMemory === undefined ? 0n : bytes(vm.maxMemory));
  const isCut = plugged > ADDRESSABLE;
  const dimms = isCut ? [] : dimmsOf(vm).map((size) => ({ size }));
  const memory = {
    ramSize: smaller(given, ADDRESSABLE),
    maxRamSize: smaller(maximum, ADDRESSABLE),
    slots: Math.max(vm.slots ?? 0, dimms.length),
  };
  return { memory, dimms, isCut };
}

/** What VFIO maps of each section: whole host pages. */
function mapped({ sections, assumptions }: VfioSections, pageSize: bigint, isCut: boolean): Sections {
  const ranges = sections.flatMap((section) => {
    const range = vfioRange(section, pageSize);
    if (!range) return [];
    const { readOnly, ramAddress, gpa } = section;
    const offset = range.iova - gpa;
    return [
      {
        gpa: range.iova,
        size: range.size,
        readOnly,
        ramAddress: ramAddress === undefined ? undefined : ramAddress + offset,
      },
    ];
  });
  const cut = isCut ? ['A guest addresses no more than 4 PiB: its memory is taken to be that, without DIMMs.'] : [];
  return {
    sections: ranges,
    assumptions: [...assumptions, 'The VM is taken to have no VGA adapter.', ...cut],
    key: lazy(() =>
      ranges.map(({ gpa, size, readOnly, ramAddress }) => `${gpa},${size},${readOnly},${ramAddress}`).join(';'),
    ),
  };
}
