import type { ListenerSection } from './listener-section.ts';
import type { PcLayout, RamLayout } from './ram-layout.ts';

const MIB = 1n << 20n;

/** Where SeaBIOS puts option ROMs, the first of them VGA's. */
const OPTION_ROMS = 0xc_0000n;

/** End of what SeaBIOS write-protects for option ROMs; the 32 KiB above stay writable. */
const OPTION_ROMS_LIMIT = 0xe_8000n;

/** Stays writable behind the option ROMs: inferred to be QEMU's VAPIC option ROM, which keeps state in itself. */
const VAPIC_SIZE = 0x3000n;

const BIOS_SIZE = 256n << 10n;
const BIOS_START = (1n << 32n) - BIOS_SIZE;

/** Where SeaBIOS puts the first BAR of std VGA, its video memory. */
const VGA_MEMORY = { gpa: 0xfd00_0000n, size: 16n * MIB };

/** A RAM or ROM section that VFIO maps for DMA. */
export interface VfioSection extends ListenerSection {
  readonly kind: 'ram';
  /** The memory region: boot RAM, the machine's ROMs, std VGA's video memory, or a memory device. */
  readonly region: 'ram' | 'pc.rom' | 'pc.bios' | 'vga.vram' | 'dimm' | 'virtio-mem';
  /** Where it lies in QEMU's RAM address space, in bytes; `undefined` for what is not boot RAM, placed as it is created. */
  readonly ramAddress: bigint | undefined;
  /** Bytes that VFIO maps at once, of virtio-mem. */
  readonly blockSize?: bigint;
}

/** Sections by ascending address, disjoint, and what had to be assumed to know them. */
export interface VfioSections {
  readonly sections: readonly VfioSection[];
  /** One sentence each. */
  readonly assumptions: readonly string[];
}

/** What cuts holes into the first MiB of a PC's RAM. */
export interface PcFirmware {
  /** `reset`: as the machine is created and reset. `booted`: as SeaBIOS leaves it to the guest. */
  readonly stage: 'reset' | 'booted';
  readonly vga: 'none' | 'std';
  /**
   * Where the adapters' option ROMs end, exclusive: a multiple of 4 KiB from 0xc0000 to 0xe5000. By default 0xc0000
   * without VGA and 0xca000 with std VGA; a lone network adapter with a boot ROM makes it 0xc1000.
   */
  readonly optionRomEnd?: bigint;
}

/** A plugged DIMM, or what is plugged of a virtio-mem, in bytes. */
export interface Dimm {
  readonly size: bigint;
  /** What its backend is aligned to: 2 MiB by default, else the huge page size, a power of two. */
  readonly alignment?: bigint;
  /** Of a virtio-mem: the size of its blocks, a power of two that divides `size`. It is aligned to them. */
  readonly blockSize?: bigint;
}

/**
 * The sections of system memory that VFIO maps in a PC: what an identity domain, or a container without vIOMMU, maps.
 * BARs of PCI devices other than std VGA are not among them.
 *
 * @throws RangeError when at most 1 MiB of RAM lies below 4 GiB, the option ROMs do not fit, or the DIMMs do not.
 *
 * Models what `info mtree -f` shows in QEMU 10.0.2, and what VFIO mapped in 10.0.13 and 11.1.3.
 */
export function pcSections(layout: PcLayout, firmware: PcFirmware, dimms: readonly Dimm[] = []): VfioSections {
  const { below4g } = layout;
  if (below4g <= MIB) throw new RangeError('a PC has more than 1 MiB of RAM below 4 GiB');
  const std = firmware.vga === 'std';
  const booted = firmware.stage === 'booted';
  const low = [
    ram(0n, 0xa_0000n),
    ...(std ? [] : [ram(0xa_0000n, 0xc_0000n)]),
    ...(booted ? shadowedRoms(firmware) : resetRoms),
    ram(MIB, below4g),
    ...(std && booted ? [ownRegion('vga.vram', VGA_MEMORY.gpa, VGA_MEMORY.size)] : []),
    rom('pc.bios', BIOS_START, BIOS_SIZE, 0n),
  ];
  const high = layout.sections.slice(1).map(({ gpa, size, ramAddress }) => ram(gpa, gpa + size, false, ramAddress));
  return {
    sections: [...merged(low), ...high, ...plugged(layout, dimms)],
    assumptions: [...firmwareAssumptions(firmware), ...dimmAssumptions(dimms)],
  };
}

/**
 * The sections of system memory that VFIO maps in an arm virt machine.
 *
 * @throws RangeError when the DIMMs do not fit into device memory.
 */
export function virtSections(layout: RamLayout, dimms: readonly Dimm[] = []): VfioSections {
  const boot = layout.sections.map(({ gpa, size, ramAddress }) => ram(gpa, gpa + size, false, ramAddress));
  return {
    sections: [...boot, ...plugged(layout, dimms)],
    assumptions: [
      'Of an arm virt machine only RAM is counted; what else VFIO maps there, such as flash, has not been observed.',
      ...dimmAssumptions(dimms),
    ],
  };
}

/** Where SeaBIOS shadows ROMs in RAM and write-protects them again. */
function shadowedRoms(firmware: PcFirmware): VfioSection[] {
  const romEnd = optionRomEnd(firmware);
  const vapicEnd = romEnd + VAPIC_SIZE;
  if (romEnd < OPTION_ROMS || vapicEnd > OPTION_ROMS_LIMIT || romEnd % 0x1000n !== 0n) {
    throw new RangeError(`option ROMs cannot end at 0x${romEnd.toString(16)}`);
  }
  return [
    ram(OPTION_ROMS, romEnd, true),
    ram(romEnd, vapicEnd),
    ram(vapicEnd, OPTION_ROMS_LIMIT, true),
    ram(OPTION_ROMS_LIMIT, 0xf_0000n),
    ram(0xf_0000n, MIB, true),
  ];
}

/** Before firmware runs, reads of the last 256 KiB below 1 MiB go to the ROMs themselves. */
const resetRoms: readonly VfioSection[] = [
  rom('pc.rom', 0xc_0000n, 0x2_0000n, 0n),
  rom('pc.bios', 0xe_0000n, 0x2_0000n, BIOS_SIZE - 0x2_0000n),
];

const optionRomEnd = (firmware: PcFirmware): bigint =>
  firmware.optionRomEnd ?? (firmware.vga === 'std' ? 0xc_a000n : OPTION_ROMS);

/**
 * DIMMs where QEMU puts those without an address: each at the first gap, which without unplugging is behind the last.
 * That they keep within the slots and `maxmem`, which is less than device memory, is for the caller to see to.
 * Models `memory_device_get_free_addr` (hw/mem/memory-device.c).
 */
function plugged({ deviceMemory }: RamLayout, dimms: readonly Dimm[]): VfioSection[] {
  let next = deviceMemory?.base ?? 0n;
  const end = deviceMemory ? deviceMemory.base + deviceMemory.size : 0n;
  return dimms.map(({ size, blockSize, alignment = blockSize ?? 2n * MIB }) => {
    const gpa = (next + alignment - 1n) & -alignment;
    next = gpa + size;
    if (next > end) throw new RangeError('the DIMMs do not fit into device memory');
    return blockSize === undefined
      ? ownRegion('dimm', gpa, size)
      : { ...ownRegion('virtio-mem', gpa, size), blockSize };
  });
}

/** Boot RAM from `gpa` to `end`, exclusive. */
function ram(gpa: bigint, end: bigint, readOnly = false, ramAddress = gpa): VfioSection {
  return { gpa, size: end - gpa, regionOffset: ramAddress, kind: 'ram', readOnly, region: 'ram', ramAddress };
}

function rom(region: 'pc.rom' | 'pc.bios', gpa: bigint, size: bigint, regionOffset: bigint): VfioSection {
  return { gpa, size, regionOffset, kind: 'ram', readOnly: true, region, ramAddress: undefined };
}

function ownRegion(region: 'vga.vram' | 'dimm' | 'virtio-mem', gpa: bigint, size: bigint): VfioSection {
  return { gpa, size, regionOffset: 0n, kind: 'ram', readOnly: false, region, ramAddress: undefined };
}

/** `sections` without empty ones, and with neighbours in one region and of one access joined, as a flat view has them. */
function merged(sections: readonly VfioSection[]): VfioSection[] {
  const joined: VfioSection[] = [];
  for (const section of sections) {
    const last = joined.at(-1);
    if (section.size === 0n) continue;
    if (
      last &&
      last.gpa + last.size === section.gpa &&
      last.region === section.region &&
      last.readOnly === section.readOnly
    ) {
      joined[joined.length - 1] = { ...last, size: last.size + section.size };
    } else joined.push(section);
  }
  return joined;
}

function firmwareAssumptions(firmware: PcFirmware): string[] {
  const std = firmware.vga === 'std';
  const seabios = 'The firmware is taken to be SeaBIOS; what VFIO maps under OVMF has not been observed.';
  if (firmware.stage === 'reset') {
    return [seabios, ...(std ? ['What VFIO maps before firmware runs has been observed without VGA only.'] : [])];
  }
  return [
    seabios,
    `Option ROMs end at 0x${optionRomEnd(firmware).toString(16)}; other adapters move the borders between 0xc0000 and 0xe8000.`,
    'SMRAM and the VAPIC option ROM move borders below 1 MiB while the guest starts.',
    ...(std ? ["std VGA's 16 MiB of video memory lie at 0xfd000000; other PCI devices may move them."] : []),
  ];
}

function dimmAssumptions(dimms: readonly Dimm[]): string[] {
  return dimms.length > 0
    ? ['DIMMs follow one another from the start of device memory, plugged without addresses and none unplugged.']
    : [];
}
