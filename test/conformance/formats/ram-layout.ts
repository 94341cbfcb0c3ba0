import { type MachineMemory, pcLayout, type RamLayout, virtLayout } from 'migration-preflight/simulator';
import type { Format } from '../format.ts';

/** What all machines are given and answer with. */
interface Common {
  ram_size: string;
  maxram_size: string;
  slots: number;
  device_memory: [base: string, size: string] | null;
  sections: [gpa: string, size: string, ramAddress: string][];
}

interface PcCase extends Common {
  machine: 'q35' | 'i440fx';
  max_ram_below_4g: string | null;
  amd_cpu: boolean;
  phys_bits: number;
  enforce_amd_1tb_hole: boolean;
  gigabyte_align: boolean;
  pci_hole64_size: string;
}

interface VirtCase extends Common {
  machine: 'virt';
}

/** Answers by the file's names: those above, `below_4g` and its like for a PC, `memtop` for virt. */
type Answer = Record<string, unknown>;

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** A machine's memory options and where QEMU lays out its RAM. */
export const ramLayout: Format = {
  file: 'ram-layout',
  *replay(content) {
    for (const testCase of (content as { cases: (PcCase | VirtCase)[] }).cases) yield replayCase(testCase);
  },
};

function replayCase(testCase: PcCase | VirtCase): true | string {
  const answered = testCase.machine === 'virt' ? answerVirt(testCase) : answerPc(testCase);
  for (const [field, value] of Object.entries(answered)) {
    const [actual, expected] = [JSON.stringify(value), JSON.stringify((testCase as unknown as Answer)[field])];
    if (actual !== expected) return `${field}: ${actual}, not ${expected}`;
  }
  return true;
}

function answerPc(given: PcCase): Answer {
  const layout = pcLayout({
    machine: given.machine,
    ...givenMemory(given),
    maxRamBelow4g: given.max_ram_below_4g === null ? undefined : BigInt(given.max_ram_below_4g),
    amdCpu: given.amd_cpu,
    physBits: given.phys_bits,
    enforceAmd1TbHole: given.enforce_amd_1tb_hole,
    gigabyteAlign: given.gigabyte_align,
    pciHole64Size: BigInt(given.pci_hole64_size),
  });
  return {
    below_4g: hex(layout.below4g),
    above_4g: hex(layout.above4g),
    above_4g_start: hex(layout.above4gStart),
    pci_hole64_start: hex(layout.pciHole64Start),
    max_used_gpa: hex(layout.maxUsedGpa),
    phys_bits_ok: layout.physBitsSuffice,
    ...common(layout),
  };
}

function answerVirt(given: VirtCase): Answer {
  const layout = virtLayout(givenMemory(given));
  return { memtop: hex(layout.memoryTop), ...common(layout) };
}

const givenMemory = ({ ram_size, maxram_size, slots }: Common): MachineMemory => ({
  ramSize: BigInt(ram_size),
  maxRamSize: BigInt(maxram_size),
  slots,
});

const common = ({ deviceMemory, sections }: RamLayout): Answer => ({
  device_memory: deviceMemory ? [hex(deviceMemory.base), hex(deviceMemory.size)] : null,
  sections: sections.map(({ gpa, size, ramAddress }) => [gpa, size, ramAddress].map(hex)),
});
