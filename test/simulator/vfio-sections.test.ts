import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { type PcLayout, type PcMemory, pcLayout, virtLayout } from '../../src/simulator/ram-layout.ts';
import { type PcFirmware, pcSections, type VfioSections, virtSections } from '../../src/simulator/vfio-sections.ts';
import { flatviewCaptures } from '../conformance/formats/flatview-captures.ts';

const MIB = 1n << 20n;
const GIB = 1n << 30n;
const TIB = 1n << 40n;

const q35 = (ramSize: bigint, differing: Partial<PcMemory> = {}): PcLayout =>
  pcLayout({
    machine: 'q35',
    ramSize,
    maxRamSize: ramSize,
    slots: 0,
    maxRamBelow4g: undefined,
    amdCpu: false,
    physBits: 46,
    enforceAmd1TbHole: true,
    gigabyteAlign: true,
    pciHole64Size: 32n * GIB,
    ...differing,
  });

/** Sections as [first, end, access, region], end exclusive. */
const spans = ({ sections }: VfioSections): [bigint, bigint, 'ro' | 'rw', string][] =>
  sections.map(({ gpa, size, readOnly, region }) => [gpa, gpa + size, readOnly ? 'ro' : 'rw', region]);

test('every capture of a running QEMU 10.0.2 is reproduced, regions and offsets included', () => {
  const fixture = readFileSync(new URL('../fixtures/vectors/flatview-captures.json.gz', import.meta.url));
  const verdicts = [...flatviewCaptures.replay(JSON.parse(gunzipSync(fixture).toString()))];
  expect(verdicts).toHaveLength(19);
  expect(verdicts.filter((verdict) => verdict !== true)).toEqual([]);
});

describe('q35 with 256 MiB, as VFIO maps it in QEMU 11.1.3', () => {
  test.each<[string, PcFirmware, [bigint, bigint, 'ro' | 'rw', string][]]>([
    [
      'before firmware runs',
      { stage: 'reset', vga: 'none' },
      [
        [0n, 0xc_0000n, 'rw', 'ram'],
        [0xc_0000n, 0xe_0000n, 'ro', 'pc.rom'],
        [0xe_0000n, 0x10_0000n, 'ro', 'pc.bios'],
        [0x10_0000n, 0x1000_0000n, 'rw', 'ram'],
        [0xfffc_0000n, 0x1_0000_0000n, 'ro', 'pc.bios'],
      ],
    ],
    [
      'without option ROMs',
      { stage: 'booted', vga: 'none' },
      [
        [0n, 0xc_3000n, 'rw', 'ram'],
        [0xc_3000n, 0xe_8000n, 'ro', 'ram'],
        [0xe_8000n, 0xf_0000n, 'rw', 'ram'],
        [0xf_0000n, 0x10_0000n, 'ro', 'ram'],
        [0x10_0000n, 0x1000_0000n, 'rw', 'ram'],
        [0xfffc_0000n, 0x1_0000_0000n, 'ro', 'pc.bios'],
      ],
    ],
    [
      'with std VGA and no option ROMs',
      { stage: 'booted', vga: 'std', optionRomEnd: 0xc_0000n },
      [
        [0n, 0xa_0000n, 'rw', 'ram'],
        [0xc_0000n, 0xc_3000n, 'rw', 'ram'],
        [0xc_3000n, 0xe_8000n, 'ro', 'ram'],
        [0xe_8000n, 0xf_0000n, 'rw', 'ram'],
        [0xf_0000n, 0x10_0000n, 'ro', 'ram'],
        [0x10_0000n, 0x1000_0000n, 'rw', 'ram'],
        [0xfd00_0000n, 0xfe00_0000n, 'rw', 'vga.vram'],
        [0xfffc_0000n, 0x1_0000_0000n, 'ro', 'pc.bios'],
      ],
    ],
    [
      'with one network boot ROM',
      { stage: 'booted', vga: 'none', optionRomEnd: 0xc_1000n },
      [
        [0n, 0xc_0000n, 'rw', 'ram'],
        [0xc_0000n, 0xc_1000n, 'ro', 'ram'],
        [0xc_1000n, 0xc_4000n, 'rw', 'ram'],
        [0xc_4000n, 0xe_8000n, 'ro', 'ram'],
        [0xe_8000n, 0xf_0000n, 'rw', 'ram'],
        [0xf_0000n, 0x10_0000n, 'ro', 'ram'],
        [0x10_0000n, 0x1000_0000n, 'rw', 'ram'],
        [0xfffc_0000n, 0x1_0000_0000n, 'ro', 'pc.bios'],
      ],
    ],
  ])('%s', (_, firmware, expected) => {
    expect(spans(pcSections(q35(256n * MIB), firmware))).toEqual(expected);
  });
});

test.each<[string, PcLayout, PcFirmware, number]>([
  ['256 MiB at reset', q35(256n * MIB), { stage: 'reset', vga: 'none' }, 5],
  ['256 MiB at reset, std VGA having no address yet', q35(256n * MIB), { stage: 'reset', vga: 'std' }, 5],
  ['256 MiB without VGA', q35(256n * MIB), { stage: 'booted', vga: 'none' }, 6],
  ['8 GiB without VGA', q35(8n * GIB), { stage: 'booted', vga: 'none' }, 7],
  ['8 GiB with std VGA', q35(8n * GIB), { stage: 'booted', vga: 'std' }, 10],
])('q35 with %s', (_, layout, firmware, count) => {
  expect(pcSections(layout, firmware).sections).toHaveLength(count);
});

test('boot RAM above 4 GiB lies elsewhere in QEMU than in the guest; other regions are placed as they are created', () => {
  const { sections } = pcSections(q35(8n * GIB), { stage: 'booted', vga: 'std' });
  expect(sections.filter(({ gpa, ramAddress }) => ramAddress !== gpa)).toMatchObject([
    { region: 'vga.vram', ramAddress: undefined },
    { region: 'pc.bios', ramAddress: undefined },
    { region: 'ram', gpa: 4n * GIB, size: 6n * GIB, ramAddress: 2n * GIB, regionOffset: 2n * GIB },
  ]);
});

describe('DIMMs', () => {
  const booted: PcFirmware = { stage: 'booted', vga: 'none' };
  const room = (ramSize: bigint): PcLayout => q35(ramSize, { maxRamSize: ramSize + 16n * GIB, slots: 4 });

  it('follow one another from the start of device memory', () => {
    expect(spans(pcSections(room(8n * GIB), booted, [{ size: GIB }, { size: 2n * GIB }])).slice(-2)).toEqual([
      [10n * GIB, 11n * GIB, 'rw', 'dimm'],
      [11n * GIB, 13n * GIB, 'rw', 'dimm'],
    ]);
  });

  it('virtio-mem lies among them, aligned to its blocks, which are mapped one by one', () => {
    const { sections } = pcSections(room(8n * GIB), booted, [{ size: GIB }, { size: 4n * GIB, blockSize: 2n * GIB }]);
    expect(sections.slice(-2)).toMatchObject([
      { gpa: 10n * GIB, size: GIB, region: 'dimm' },
      { gpa: 12n * GIB, size: 4n * GIB, region: 'virtio-mem', blockSize: 2n * GIB },
    ]);
    expect(sections.at(-2)).not.toHaveProperty('blockSize');
  });

  it('are aligned to the pages of their backend', () => {
    const dimms = [{ size: 128n * MIB }, { size: GIB, alignment: GIB }];
    expect(spans(pcSections(room(8n * GIB), booted, dimms)).slice(-1)).toEqual([[11n * GIB, 12n * GIB, 'rw', 'dimm']]);
  });

  it('are one section each, however large: 8 TiB beside 1 GiB of boot RAM', () => {
    const layout = q35(GIB, { maxRamSize: GIB + 8n * TIB, slots: 1 });
    expect(spans(pcSections(layout, booted, [{ size: 8n * TIB }])).slice(-1)).toEqual([
      [4n * GIB, 8n * TIB + 4n * GIB, 'rw', 'dimm'],
    ]);
  });

  it('may fill device memory to its last byte', () => {
    const layout = q35(GIB, { maxRamSize: 3n * GIB });
    expect(pcSections(layout, booted, [{ size: GIB }, { size: GIB }]).sections.at(-1)).toMatchObject({ gpa: 5n * GIB });
    expect(() => pcSections(layout, booted, [{ size: GIB }, { size: GIB + 2n * MIB }])).toThrow('do not fit');
  });

  it('need not be there', () => {
    const { sections } = virtSections(virtLayout({ ramSize: 4n * GIB, maxRamSize: 8n * GIB, slots: 1 }));
    expect(sections).toMatchObject([{ gpa: GIB, size: 4n * GIB, region: 'ram' }]);
  });

  it('are of memory, as all that VFIO maps here', () => {
    const { sections } = pcSections(room(8n * GIB), { stage: 'booted', vga: 'std' }, [{ size: GIB }]);
    expect(new Set(sections.map(({ region }) => region))).toEqual(new Set(['ram', 'vga.vram', 'pc.bios', 'dimm']));
    for (const { kind } of sections) expect(kind).toBe('ram');
  });

  it('follow the RAM of an arm virt machine', () => {
    const layout = virtLayout({ ramSize: 4n * GIB, maxRamSize: 8n * GIB, slots: 1 });
    expect(spans(virtSections(layout, [{ size: GIB }]))).toEqual([
      [GIB, 5n * GIB, 'rw', 'ram'],
      [5n * GIB, 6n * GIB, 'rw', 'dimm'],
    ]);
  });
});

describe('what cannot be laid out is refused', () => {
  test.each<[string, () => VfioSections, string]>([
    ['RAM of 1 MiB', () => pcSections(q35(MIB), { stage: 'booted', vga: 'none' }), 'more than 1 MiB'],
    [
      'a DIMM without device memory',
      () => pcSections(q35(GIB), { stage: 'booted', vga: 'none' }, [{ size: GIB }]),
      'do not fit',
    ],
    [
      'option ROMs below their place',
      () => pcSections(q35(GIB), { stage: 'booted', vga: 'none', optionRomEnd: 0xb_0000n }),
      '0xb0000',
    ],
    [
      'option ROMs beyond their place',
      () => pcSections(q35(GIB), { stage: 'booted', vga: 'none', optionRomEnd: 0xe_6000n }),
      '0xe6000',
    ],
    [
      'option ROMs that end inside a page',
      () => pcSections(q35(GIB), { stage: 'booted', vga: 'none', optionRomEnd: 0xc_0800n }),
      '0xc0800',
    ],
  ])('%s', (_, layOut, message) => {
    expect(layOut).toThrow(message);
  });
});

describe('assumptions are told', () => {
  const dimms = [{ size: GIB }];
  const layout = q35(GIB, { maxRamSize: 2n * GIB, slots: 1 });
  test.each<[string, () => VfioSections, RegExp[]]>([
    [
      'after SeaBIOS',
      () => pcSections(layout, { stage: 'booted', vga: 'none' }),
      [/OVMF/, /Option ROMs end at 0xc0000;/, /SMRAM/],
    ],
    [
      'after SeaBIOS with std VGA',
      () => pcSections(layout, { stage: 'booted', vga: 'std' }),
      [/OVMF/, /0xca000;/, /SMRAM/, /0xfd000000/],
    ],
    ['at reset', () => pcSections(layout, { stage: 'reset', vga: 'none' }), [/OVMF/]],
    [
      'at reset with std VGA and a DIMM',
      () => pcSections(layout, { stage: 'reset', vga: 'std' }, dimms),
      [/OVMF/, /without VGA only/, /DIMMs/],
    ],
    ['arm virt with a DIMM', () => virtSections(layout, dimms), [/flash/, /DIMMs/]],
  ])('%s', (_, layOut, expected) => {
    const { assumptions } = layOut();
    expect(assumptions).toHaveLength(expected.length);
    expected.forEach((pattern, index) => expect(assumptions[index]).toMatch(pattern));
  });
});

test('sections ascend, never overlap, and hold all boot RAM but what ROM and VGA hide', () => {
  const anyFirmware = fc.record({ stage: fc.constantFrom('reset', 'booted'), vga: fc.constantFrom('none', 'std') });
  fc.assert(
    fc.property(fc.bigInt(2n, 1n << 24n), fc.boolean(), anyFirmware, (mebibytes, amdCpu, firmware) => {
      const { sections } = pcSections(q35(mebibytes * MIB, { amdCpu }), firmware);
      let end = 0n;
      let ram = 0n;
      for (const { gpa, size, region } of sections) {
        expect(gpa).toBeGreaterThanOrEqual(end);
        expect(size).toBeGreaterThan(0n);
        end = gpa + size;
        if (region === 'ram') ram += size;
      }
      const hidden = (firmware.vga === 'std' ? 0x2_0000n : 0n) + (firmware.stage === 'reset' ? 0x4_0000n : 0n);
      expect(ram).toBe(mebibytes * MIB - hidden);
    }),
  );
});
