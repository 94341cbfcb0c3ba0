import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ListenerSection } from '../../src/simulator/listener-section.ts';
import { type LoggingRange, loggingRanges } from '../../src/simulator/logging-ranges.ts';
import { pcLayout } from '../../src/simulator/ram-layout.ts';
import { pcSections } from '../../src/simulator/vfio-sections.ts';
import { dirtyRanges } from '../conformance/formats/dirty-ranges.ts';

const PAGE = 0x1000n;
const GIB = 1n << 30n;

const ram = (gpa: bigint, size: bigint, differing: Partial<ListenerSection> = {}): ListenerSection => ({
  gpa,
  size,
  regionOffset: 0n,
  kind: 'ram',
  readOnly: false,
  ...differing,
});

/** Ranges as [class, first, last], last inclusive. */
const spans = (ranges: readonly LoggingRange[]): [string, bigint, bigint][] =>
  ranges.map(({ class: of, iova, size }) => [of, iova, iova + size - 1n]);

test("every range is the one that QEMU's own code hands to the device", () => {
  const fixture = readFileSync(new URL('../fixtures/vectors/dirty-ranges.json.gz', import.meta.url));
  const verdicts = [...dirtyRanges.replay(JSON.parse(gunzipSync(fixture).toString()))];
  expect(verdicts).toHaveLength(251);
  expect(verdicts.filter((verdict) => verdict !== true)).toEqual([]);
});

describe('a q35 guest with 16 GiB and a BAR of 32 MiB at 56 TiB', () => {
  const { sections } = pcSections(
    pcLayout({
      machine: 'q35',
      ramSize: 16n * GIB,
      maxRamSize: 16n * GIB,
      slots: 0,
      maxRamBelow4g: undefined,
      amdCpu: false,
      physBits: 46,
      enforceAmd1TbHole: true,
      gigabyteAlign: true,
      pciHole64Size: 32n * GIB,
    }),
    { stage: 'booted', vga: 'none' },
  );
  const withBar = [...sections, ram(0x3800_0000_0000n, 0x200_0000n, { vfioPci: true })];

  test.each<[string, Parameters<typeof loggingRanges>[2], [string, bigint, bigint][]]>([
    ['7.2 never logs', 'none', []],
    [
      '8.0 stretches the upper range up to the BAR',
      'two',
      [
        ['below-4g', 0n, 0xffff_ffffn],
        ['above-4g', 0x1_0000_0000n, 0x3800_01ff_ffffn],
      ],
    ],
    [
      '8.2 gives the BAR a range of its own; the BIOS ROM stretches the lower one to 4 GiB',
      'three',
      [
        ['below-4g', 0n, 0xffff_ffffn],
        ['above-4g', 0x1_0000_0000n, 0x4_7fff_ffffn],
        ['pci-above-4g', 0x3800_0000_0000n, 0x3800_01ff_ffffn],
      ],
    ],
    [
      '11.0 leaves the ROM out',
      'three-writable',
      [
        ['below-4g', 0n, 0x7fff_ffffn],
        ['above-4g', 0x1_0000_0000n, 0x4_7fff_ffffn],
        ['pci-above-4g', 0x3800_0000_0000n, 0x3800_01ff_ffffn],
      ],
    ],
  ])('QEMU %s', (_, behaviour, expected) => {
    const { ranges, error } = loggingRanges(withBar, PAGE, behaviour);
    expect(spans(ranges)).toEqual(expected);
    expect(error).toBeUndefined();
  });
});

test.each<[string, ListenerSection[], [string, bigint, bigint][]]>([
  ['RAM that ends on the last byte below 4 GiB', [ram(0n, 1n << 32n)], [['below-4g', 0n, 0xffff_ffffn]]],
  ['RAM across 4 GiB', [ram(0xffff_f000n, 2n * PAGE)], [['above-4g', 0xffff_f000n, 0x1_0000_0fffn]]],
  [
    'a BAR across 4 GiB',
    [ram(0xffff_f000n, 2n * PAGE, { vfioPci: true })],
    [['above-4g', 0xffff_f000n, 0x1_0000_0fffn]],
  ],
  ['a BAR at 4 GiB', [ram(1n << 32n, PAGE, { vfioPci: true })], [['pci-above-4g', 1n << 32n, 0x1_0000_0fffn]]],
  ['a BAR below 4 GiB', [ram(0xfe00_0000n, PAGE, { vfioPci: true })], [['below-4g', 0xfe00_0000n, 0xfe00_0fffn]]],
  ["another device's BAR, high", [ram(1n << 45n, PAGE)], [['above-4g', 1n << 45n, (1n << 45n) + 0xfffn]]],
  ['two pieces of RAM and the hole between', [ram(0n, PAGE), ram(0x8000n, PAGE)], [['below-4g', 0n, 0x8fffn]]],
  [
    "intel-iommu's two regions",
    [ram(0n, 0xfee0_0000n, { kind: 'iommu' }), ram(0xfef0_0000n, (1n << 64n) - 0xfef0_0000n, { kind: 'iommu' })],
    [
      ['below-4g', 0n, 0xfedf_ffffn],
      ['above-4g', 0xfef0_0000n, (1n << 64n) - 1n],
    ],
  ],
])('a device logs %s', (_, sections, expected) => {
  expect(spans(loggingRanges(sections, PAGE, 'three').ranges)).toEqual(expected);
});

test("the length of virtio-iommu's whole space wraps to 0", () => {
  const { ranges } = loggingRanges([ram(0n, 1n << 64n, { kind: 'iommu' })], PAGE, 'three');
  expect(ranges).toEqual([{ class: 'above-4g', iova: 0n, size: 0n }]);
});

test.each<[string, ListenerSection[], Parameters<typeof loggingRanges>[2]]>([
  ['there is nothing to log', [], 'two'],
  ['VFIO skips every section', [ram(0n, 0x800n)], 'three'],
  ['every section is read-only', [ram(0n, PAGE, { readOnly: true })], 'three-writable'],
])('QEMU fails with ENOMEM when %s', (_, sections, behaviour) => {
  expect(loggingRanges(sections, PAGE, behaviour)).toEqual({ ranges: [], error: 'ENOMEM' });
});

test('each range spans the first to the last page of its class', () => {
  const page = fc.oneof(
    fc.bigInt(0n, 0x20n),
    fc.bigInt(0xf_fff0n, 0x10_0010n),
    fc.bigInt(1n << 40n, (1n << 40n) + 0x20n),
  );
  const anySection = fc
    .record({ page, pages: fc.bigInt(1n, 0x18n), readOnly: fc.boolean(), vfioPci: fc.boolean() })
    .map(({ page: first, pages, ...flags }) => ram(first * PAGE, pages * PAGE, flags));
  fc.assert(
    fc.property(
      fc.array(anySection, { minLength: 1, maxLength: 8 }),
      fc.constantFrom('two', 'three', 'three-writable'),
      (sections, behaviour) => {
        const pagesOf: Record<string, bigint[]> = { 'below-4g': [], 'above-4g': [], 'pci-above-4g': [] };
        for (const { gpa, size, readOnly, vfioPci } of sections) {
          if (readOnly && behaviour === 'three-writable') continue;
          const low = gpa + size <= 1n << 32n;
          const own = vfioPci && gpa >= 1n << 32n && behaviour !== 'two';
          const of = own ? 'pci-above-4g' : low ? 'below-4g' : 'above-4g';
          for (let at = gpa; at < gpa + size; at += PAGE) pagesOf[of]?.push(at);
        }
        const expected = Object.entries(pagesOf).flatMap(([of, pages]) => {
          pages.sort((a, b) => (a < b ? -1 : 1));
          const [first, last] = [pages[0], pages.at(-1)];
          return first === undefined || last === undefined ? [] : [[of, first, last + PAGE - 1n]];
        });
        expect(spans(loggingRanges(sections, PAGE, behaviour).ranges)).toEqual(expected);
      },
    ),
  );
});
