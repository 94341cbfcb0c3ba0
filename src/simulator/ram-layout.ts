import { roundUp, smaller, wrap } from './uint64.ts';

const GIB = 1n << 30n;
const TIB = 1n << 40n;
const FOUR_GIB = 4n * GIB;

/** First address of the HyperTransport region, which AMD IOMMUs reserve up to 1 TiB: nothing there can be mapped for DMA. */
const AMD_HT_START = 0xfd_0000_0000n;

/** Where the arm virt machine's RAM begins, in bytes. */
const VIRT_RAM_START = GIB;

/** The memory that a machine is started with, in bytes. */
export interface MachineMemory {
  /** Boot RAM (`-m size`), at least 1. */
  readonly ramSize: bigint;
  /** Boot RAM and all that memory devices may add (`-m maxmem`), at least `ramSize`; the same when they may add nothing. */
  readonly maxRamSize: bigint;
  /** Slots for DIMMs (`-m slots`). Each is granted 1 GiB of device memory, to align its DIMM in. */
  readonly slots: number;
}

/** A PC's memory and what else decides where its RAM lies, in bytes. */
export interface PcMemory extends MachineMemory {
  readonly machine: 'q35' | 'i440fx';
  /** The machine's `max-ram-below-4g`, at most 4 GiB; `undefined` leaves the machine's own choice. */
  readonly maxRamBelow4g: bigint | undefined;
  /** Whether the vCPUs say that their vendor is AMD. */
  readonly amdCpu: boolean;
  /** Physical address bits of the vCPUs, at most 52. */
  readonly physBits: number;
  /** Whether an AMD guest's RAM avoids the HyperTransport region (machine types from 7.1 on). */
  readonly enforceAmd1TbHole: boolean;
  /** Whether i440fx splits its RAM at a whole GiB (all current machine types); not read on q35. */
  readonly gigabyteAlign: boolean;
  /** The host bridge's `pci-hole64-size`; 32 GiB on q35 and 2 GiB on i440fx by default. */
  readonly pciHole64Size: bigint;
}

/** Boot RAM: `size` bytes from guest physical address `gpa`, which lie at `ramAddress` in QEMU's RAM address space. */
export interface RamSection {
  readonly gpa: bigint;
  readonly size: bigint;
  readonly ramAddress: bigint;
}

/** Where memory devices (DIMM, virtio-mem) go: `size` bytes from `base`. More than they may add, so that each can be aligned. */
export interface DeviceMemory {
  readonly base: bigint;
  readonly size: bigint;
}

/** Where boot RAM and memory devices lie in a guest's physical address space. */
export interface RamLayout {
  /** Boot RAM, ascending, before firmware and VGA cut holes into its first MiB. */
  readonly sections: readonly RamSection[];
  /** Absent when memory devices may add nothing. */
  readonly deviceMemory: DeviceMemory | undefined;
}

export interface PcLayout extends RamLayout {
  /** Bytes of boot RAM below 4 GiB. */
  readonly below4g: bigint;
  /** Bytes of boot RAM above 4 GiB. */
  readonly above4g: bigint;
  /** Where the latter begins, or would: 4 GiB, or 1 TiB past AMD's hole. */
  readonly above4gStart: bigint;
  /** First address of the 64-bit PCI hole. */
  readonly pciHole64Start: bigint;
  /** Last address in use, inclusive: the end of the 64-bit PCI hole. */
  readonly maxUsedGpa: bigint;
  /** Whether `physBits` reach `maxUsedGpa`; otherwise QEMU exits. */
  readonly physBitsSuffice: boolean;
}

export interface VirtLayout extends RamLayout {
  /** End of RAM and device memory, exclusive, rounded up to 1 GiB. */
  readonly memoryTop: bigint;
}

/**
 * Where a PC with 64-bit vCPUs, without SGX and CXL, has its RAM.
 *
 * Models `pc_q35_init`, `pc_init1`, `pc_memory_init`, `pc_get_device_memory_range` and `pc_max_used_gpa` (hw/i386,
 * QEMU 10.2).
 */
export function pcLayout(memory: PcMemory): PcLayout {
  const { ramSize, amdCpu, enforceAmd1TbHole, physBits } = memory;
  const below4g = smaller(ramSize, lowRamLimit(memory));
  const above4g = ramSize - below4g;
  const unmoved = placeAbove4g(memory, above4g, FOUR_GIB);
  const moves = amdCpu && enforceAmd1TbHole && unmoved.maxUsedGpa >= AMD_HT_START;
  const placed = moves ? placeAbove4g(memory, above4g, TIB) : unmoved;
  const low = { gpa: 0n, size: below4g, ramAddress: 0n };
  const high = { gpa: placed.above4gStart, size: above4g, ramAddress: below4g };
  return {
    below4g,
    above4g,
    ...placed,
    physBitsSuffice: placed.maxUsedGpa < 1n << BigInt(physBits),
    sections: above4g > 0n ? [low, high] : [low],
  };
}

/** Where the arm virt machine has its RAM. Models `virt_set_memmap` (hw/arm/virt.c, QEMU 10.2), with high memory. */
export function virtLayout(memory: MachineMemory): VirtLayout {
  const { ramSize } = memory;
  const ramEnd = roundUp(VIRT_RAM_START + ramSize, GIB);
  const deviceMemory = deviceMemoryFrom(memory, ramEnd);
  return {
    sections: [{ gpa: VIRT_RAM_START, size: ramSize, ramAddress: 0n }],
    deviceMemory,
    memoryTop: deviceMemory ? roundUp(deviceMemory.base + deviceMemory.size, GIB) : ramEnd,
  };
}

/**
 * The most RAM that goes below 4 GiB, in bytes. A guest whose RAM would reach the PCI hole gets less of it there than one
 * whose RAM ends just below, so that the split falls on a whole GiB.
 */
function lowRamLimit({ machine, ramSize, maxRamBelow4g, gigabyteAlign }: PcMemory): bigint {
  if (machine === 'q35') {
    return smaller(ramSize >= 0xb000_0000n ? 0x8000_0000n : 0xb000_0000n, maxRamBelow4g ?? FOUR_GIB);
  }
  const limit = maxRamBelow4g ?? 0xe000_0000n;
  return gigabyteAlign && ramSize >= limit ? smaller(limit, 0xc000_0000n) : limit;
}

/** What lies above 4 GiB when RAM there begins at `above4gStart`: RAM, device memory, the 64-bit PCI hole. */
function placeAbove4g(memory: PcMemory, above4g: bigint, above4gStart: bigint) {
  const ramEnd = roundUp(above4gStart + above4g, GIB);
  const deviceMemory = deviceMemoryFrom(memory, ramEnd);
  const pciHole64Start = deviceMemory ? roundUp(deviceMemory.base + deviceMemory.size, GIB) : ramEnd;
  return { above4gStart, deviceMemory, pciHole64Start, maxUsedGpa: wrap(pciHole64Start + memory.pciHole64Size - 1n) };
}

function deviceMemoryFrom({ ramSize, maxRamSize, slots }: MachineMemory, base: bigint): DeviceMemory | undefined {
  return maxRamSize > ramSize ? { base, size: wrap(maxRamSize - ramSize + BigInt(slots) * GIB) } : undefined;
}
