import { avoidsAmdHole, PCI_HOLE64, parseMachineType } from '../platform/machine.ts';
import type { Version } from '../platform/version.ts';
import {
  type Dimm,
  type MachineMemory,
  type MemorySection,
  pcLayout,
  pcSections,
  type VfioSection,
  type VfioSections,
  virtLayout,
  virtSections,
  vfioRange,
  larger,
  smaller,
} from '../simulator/index.ts';
import { constant, type Fact, lacking, map, read } from './fact.ts';
import { lazy } from './lazy.ts';
import { bytesOf } from './quantities.ts';
import { Remembered } from './remembered.ts';
import type { Descriptor, VfioDescriptor, VmDescriptor } from './schema.ts';

/** The sections of system memory that VFIO maps for a device that is not translated, and what was assumed of them. */
export interface Sections {
  readonly sections: readonly MemorySection[];
  readonly assumptions: readonly string[];
  /** Equal for the same sections. */
  readonly key: () => string;
}

export const NO_SECTIONS: Fact<Sections> = constant({ sections: [], assumptions: [], key: () => '' });

/** What a PC lays out below 1 MiB it lays out in no less than this. */
const LEAST_PC_MEMORY = 2n << 20n;

const GIB = 1n << 30n;

/** Bytes that a guest can address: no vCPU has more than 52 physical address bits. */
const ADDRESSABLE = 1n << 52n;

/** Reads where the VM's memory lies, in whole host pages of `pageSize` bytes. */
export function readSections({ vm }: Descriptor, qemu: Fact<Version>, pageSize: bigint): Fact<Sections> {
  const type = vm.machine === undefined ? undefined : parseMachineType(vm.machine);
  if (!type) return lacking('/vm/machine');
  const { board, version: own } = type;
  const machine = read('/vm', 'machine', vm.machine, 'given');
  if (board === 'virt') {
    return map(machine, () =>
      remembered.of(listing(vm), `virt ${pageSize} ${memoryKey(vm)}`, () => virtMemory(vm, pageSize)),
    );
  }
  const version = own === 'newest' ? qemu : map(machine, () => own);
  return map(version, (machineVersion) => {
    const avoidsHole = avoidsAmdHole(machineVersion);
    const key = `${board} ${avoidsHole} ${pageSize} ${memoryKey(vm)}`;
    return remembered.of(listing(vm), key, () => pcMemory(vm, board, avoidsHole, pageSize));
  });
}

/** What lists parts of its memory is by itself: lists may be long. */
const listing = (vm: VmDescriptor): VmDescriptor | undefined => (vm.hotplugged || vm.memoryBackends ? vm : undefined);

/** Equal for VMs of equal memory, of which nothing is listed. */
const memoryKey = ({ memory, maxMemory, slots, maxRamBelow4g, cpu }: VmDescriptor): string =>
  `${memory} ${maxMemory} ${slots} ${maxRamBelow4g} ${cpu?.physBits} ${cpu?.vendor}`;

const remembered = new Remembered<Sections>();

function virtMemory(vm: VmDescriptor, pageSize: bigint): Sections {
  const memory = memoryOf(vm);
  return mapped(virtSections(virtLayout(memory.memory), memory.dimms), memory, pageSize);
}

function pcMemory(vm: VmDescriptor, board: 'q35' | 'i440fx', avoidsHole: boolean, pageSize: bigint): Sections {
  const memory = memoryOf(vm);
  const layout = pcLayout({
    machine: board,
    ...memory.memory,
    maxRamBelow4g: vm.maxRamBelow4g === undefined ? undefined : larger(bytesOf(vm.maxRamBelow4g), LEAST_PC_MEMORY),
    amdCpu: /amd/i.test(vm.cpu?.vendor ?? ''),
    physBits: vm.cpu?.physBits ?? 52,
    enforceAmd1TbHole: avoidsHole,
    gigabyteAlign: true,
    pciHole64Size: PCI_HOLE64[board],
  });
  return mapped(pcSections(layout, { stage: 'booted', vga: 'none' }, memory.dimms), memory, pageSize);
}

/** Bytes of the guest's memory, with what is plugged in. */
export const guestMemoryOf = ({ memory, hotplugged = [] }: VmDescriptor): bigint =>
  hotplugged.reduce((sum, { size }) => sum + bytesOf(size), bytesOf(memory));

/** What virtio-mem's blocks are unless they are given: a transparent huge page of x86 (`virtio_mem_default_block_size`). */
const BLOCK_SIZE = 2n << 20n;

/** What is plugged; of a virtio-mem in whole blocks. */
const dimmsOf = ({ hotplugged = [] }: VmDescriptor): Dimm[] =>
  hotplugged.flatMap(({ model, size, blockSize }): Dimm[] => {
    const plugged = bytesOf(size);
    if (model === 'dimm') return [{ size: plugged }];
    const block = blockSize === undefined ? BLOCK_SIZE : bytesOf(blockSize);
    const blocks = (plugged + block - 1n) / block;
    return blocks > 0n ? [{ size: blocks * block, blockSize: block }] : [];
  });

interface Memory {
  readonly memory: MachineMemory;
  readonly dimms: readonly Dimm[];
  /** Where in boot RAM one memory backend ends and another begins: VFIO is told of each by itself. */
  readonly ends: readonly bigint[];
  readonly assumptions: readonly string[];
}

/** The memory of the machine, with room for what is plugged into it; cut to what a guest can address. */
function memoryOf(vm: VmDescriptor): Memory {
  const given = larger(bytesOf(vm.memory), LEAST_PC_MEMORY);
  const devices = dimmsOf(vm);
  const plugged = devices.reduce((sum, { size }) => sum + size, given);
  const maximum = larger(plugged, vm.maxMemory === undefined ? 0n : bytesOf(vm.maxMemory));
  const isCut = plugged > ADDRESSABLE;
  const dimms = isCut ? [] : devices;
  // Each may be aligned to a block, for which a slot grants no more than 1 GiB.
  const room = dimms.reduce((sum, { blockSize = 0n }) => sum + 1 + Number(blockSize / GIB), 0);
  const memory = {
    ramSize: smaller(given, ADDRESSABLE),
    maxRamSize: smaller(maximum, ADDRESSABLE),
    slots: Math.max(vm.slots ?? 0, room),
  };
  const assumptions = [
    ...(isCut ? ['A guest addresses no more than 4 PiB: its memory is taken to be that, without DIMMs.'] : []),
    ...(vm.hotplugged?.some(({ model, blockSize }) => model === 'virtio-mem' && blockSize === undefined)
      ? ['virtio-mem is taken to be plugged in blocks of 2 MiB.']
      : []),
    ...(vm.memoryBackends && !addsUp(vm)
      ? ['The memory backends do not add up to the VM’s memory, which is taken to be one.']
      : []),
  ];
  return { memory, dimms, ends: isCut ? [] : backendEnds(vm), assumptions };
}

const addsUp = ({ memory, memoryBackends = [] }: VmDescriptor): boolean =>
  memoryBackends.reduce((sum, { size }) => sum + bytesOf(size), 0n) === bytesOf(memory);

function backendEnds(vm: VmDescriptor): bigint[] {
  let end = 0n;
  const ends = (vm.memoryBackends ?? []).map(({ size }) => (end += bytesOf(size)));
  return addsUp(vm) ? ends.slice(0, -1) : [];
}

/** What VFIO maps of each section: whole host pages. */
function mapped({ sections, assumptions }: VfioSections, memory: Memory, pageSize: bigint): Sections {
  const ranges = sections.flatMap((section) => {
    const { readOnly, ramAddress, gpa, blockSize } = section;
    return cutAt(section, memory.ends).flatMap((part) => {
      const range = vfioRange(part, pageSize);
      if (!range) return [];
      const offset = range.iova - gpa;
      return [
        {
          gpa: range.iova,
          size: range.size,
          readOnly,
          ramAddress: ramAddress === undefined ? undefined : ramAddress + offset,
          ...(blockSize !== undefined && { blockSize }),
        },
      ];
    });
  });
  return {
    sections: ranges,
    assumptions: [...assumptions, 'The VM is taken to have no VGA adapter.', ...memory.assumptions],
    key: lazy(() => ranges.map(sectionKey).join(';')),
  };
}

const sectionKey = ({ gpa, size, readOnly, ramAddress, vfioPci, foreign, blockSize }: MemorySection): string =>
  `${gpa},${size},${readOnly},${ramAddress},${vfioPci},${foreign},${blockSize}`;

/** `section` in the pieces that the addresses `ends` of boot RAM cut it into. */
function cutAt(section: VfioSection, ends: readonly bigint[]): VfioSection[] {
  const { gpa, size, regionOffset, ramAddress } = section;
  if (section.region !== 'ram' || ramAddress === undefined) return [section];
  const within = ends.map((end) => end - ramAddress).filter((offset) => offset > 0n && offset < size);
  return [0n, ...within].map((from, i) => ({
    ...section,
    gpa: gpa + from,
    regionOffset: regionOffset + from,
    ramAddress: ramAddress + from,
    size: (within[i] ?? size) - from,
  }));
}

/**
 * `sections` and the BARs that are listed of VFIO devices, whole. A container maps those of its own devices, which `own`
 * tells, and those of others.
 */
export function withBars(
  { sections, assumptions, key }: Sections,
  devices: readonly VfioDescriptor[],
  own: (device: VfioDescriptor) => boolean,
  pageSize: bigint,
): Sections {
  const bars = devices.flatMap((device) =>
    (device.pciBars ?? []).flatMap(({ gpa, size }): MemorySection[] => {
      const bar = {
        gpa: BigInt(gpa),
        size: bytesOf(size),
        regionOffset: BigInt(gpa),
        kind: 'ram',
        readOnly: false,
      } as const;
      // What does not consist of whole pages is not mapped, nor is what lies in the upper half of the address space.
      if ((bar.gpa | bar.size) % pageSize !== 0n || bar.gpa + bar.size > 1n << 63n) return [];
      if (!vfioRange(bar, pageSize)) return [];
      return [{ gpa: bar.gpa, size: bar.size, readOnly: false, vfioPci: true, ...(!own(device) && { foreign: true }) }];
    }),
  );
  if (bars.length === 0) return { sections, assumptions, key };
  return {
    sections: [...sections, ...bars],
    assumptions,
    key: lazy(() => `${key()};${bars.map(sectionKey).join(';')}`),
  };
}
