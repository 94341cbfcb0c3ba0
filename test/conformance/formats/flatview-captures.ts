import { type PcFirmware, pcLayout, pcSections, type VfioSection } from 'migration-preflight/simulator';
import type { Format } from '../format.ts';

/** First address, bytes, type, memory region and offset in it; under KVM both names end in the accelerator's. */
type SectionRow = [gpa: string, size: string, type: string, region: string, offset: string];

interface Case {
  name: string;
  args: string[];
  sections: SectionRow[];
}

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** Command lines, and what system memory then looks like in a running QEMU 10.0.2. */
export const flatviewCaptures: Format = {
  file: 'flatview-captures',
  *replay(content) {
    for (const testCase of (content as { cases: Case[] }).cases) yield replayCase(testCase);
  },
};

function replayCase({ name, args, sections }: Case): ReturnType<typeof compare> | { skipped: string } {
  const devices = args.filter((_, index) => args[index - 1] === '-device');
  const unknown = devices.find((device) => device !== 'e1000e');
  if (unknown) return { skipped: `${name}: where the option ROMs of ${unknown} end is not known` };
  const { sections: predicted } = pcSections(layoutOf(args), firmwareOf(args, devices));
  const mapped = sections.map((row) => row.map((cell) => cell.replace(/ KVM$/, '')));
  return compare(
    predicted.map(toRow),
    mapped
      .filter(([, , type]) => type !== 'i/o')
      .map(([gpa, size, type, region, offset]) => [gpa, size, type, region, offset]),
  );
}

function compare(predicted: unknown[][], captured: unknown[][]): true | string {
  const [actual, expected] = [JSON.stringify(predicted), JSON.stringify(captured)];
  return actual === expected || `${actual}, not ${expected}`;
}

/** Boot RAM is the memory backend `r` in every capture. */
const toRow = ({ gpa, size, readOnly, region, regionOffset }: VfioSection): SectionRow => [
  hex(gpa),
  hex(size),
  readOnly ? 'rom' : 'ram',
  region === 'ram' ? 'r' : region,
  hex(regionOffset),
];

const option = (args: string[], name: string): string => args[args.indexOf(name) + 1] ?? '';

function layoutOf(args: string[]) {
  const [type, ...properties] = option(args, '-M').split(',');
  const machine = type === 'q35' ? 'q35' : 'i440fx';
  const maxRamBelow4g = properties.find((property) => property.startsWith('max-ram-below-4g='))?.split('=')[1];
  const ramSize = bytes(option(args, '-m'));
  return pcLayout({
    machine,
    ramSize,
    maxRamSize: ramSize,
    slots: 0,
    maxRamBelow4g: maxRamBelow4g === undefined ? undefined : bytes(maxRamBelow4g),
    amdCpu: args.includes('-cpu') && option(args, '-cpu').includes('vendor=AuthenticAMD'),
    physBits: 46,
    enforceAmd1TbHole: true,
    gigabyteAlign: true,
    pciHole64Size: machine === 'q35' ? 32n << 30n : 2n << 30n,
  });
}

/** A lone e1000e leaves one page of option ROM. */
function firmwareOf(args: string[], devices: string[]): PcFirmware {
  return {
    stage: args.includes('-S') ? 'reset' : 'booted',
    vga: option(args, '-vga') === 'std' ? 'std' : 'none',
    ...(devices.length > 0 && { optionRomEnd: 0xc_1000n }),
  };
}

function bytes(size: string): bigint {
  const shift = { M: 20n, G: 30n, T: 40n }[size.at(-1) ?? ''] ?? 0n;
  return BigInt(size.slice(0, -1)) << shift;
}
