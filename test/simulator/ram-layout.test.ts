import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { type PcMemory, pcLayout, virtLayout } from '../../src/simulator/ram-layout.ts';
import { ramLayout } from '../conformance/formats/ram-layout.ts';

const MIB = 1n << 20n;
const GIB = 1n << 30n;
const TIB = 1n << 40n;

/** A guest of the newest machine type with 48 physical address bits and an Intel vCPU. */
const guest = (machine: PcMemory['machine'], ramSize: bigint, differing: Partial<PcMemory> = {}): PcMemory => ({
  machine,
  ramSize,
  maxRamSize: ramSize,
  slots: 0,
  maxRamBelow4g: undefined,
  amdCpu: false,
  physBits: 48,
  enforceAmd1TbHole: true,
  gigabyteAlign: true,
  pciHole64Size: machine === 'q35' ? 32n * GIB : 2n * GIB,
  ...differing,
});

test("every layout is the one that QEMU's own code computes", () => {
  const fixture = readFileSync(new URL('../fixtures/vectors/ram-layout.json.gz', import.meta.url));
  const verdicts = [...ramLayout.replay(JSON.parse(gunzipSync(fixture).toString()))];
  expect(verdicts).toHaveLength(312);
  expect(verdicts.filter((verdict) => verdict !== true)).toEqual([]);
});

describe('RAM below and above 4 GiB', () => {
  test.each<[PcMemory['machine'], string, bigint, Partial<PcMemory>, below: bigint, above: bigint]>([
    ['q35', '2815 MiB, just below the PCI hole', 2815n * MIB, {}, 2815n * MIB, 0n],
    ['q35', '2816 MiB, which splits at 2 GiB', 2816n * MIB, {}, 2n * GIB, 768n * MIB],
    ['q35', '8 GiB', 8n * GIB, {}, 2n * GIB, 6n * GIB],
    ['q35', '8 GiB, at most 1 GiB low', 8n * GIB, { maxRamBelow4g: GIB }, GIB, 7n * GIB],
    [
      'q35',
      '8 GiB, at most 3 GiB low, which the machine does not grant',
      8n * GIB,
      { maxRamBelow4g: 3n * GIB },
      2n * GIB,
      6n * GIB,
    ],
    ['i440fx', '3583 MiB, just below the PCI hole', 3583n * MIB, {}, 3583n * MIB, 0n],
    ['i440fx', '3584 MiB, which splits at 3 GiB', 3584n * MIB, {}, 3n * GIB, 512n * MIB],
    ['i440fx', '3584 MiB without GiB alignment', 3584n * MIB, { gigabyteAlign: false }, 3584n * MIB, 0n],
    ['i440fx', '8 GiB without GiB alignment', 8n * GIB, { gigabyteAlign: false }, 3584n * MIB, 4608n * MIB],
    [
      'i440fx',
      '8 GiB, at most 4 GiB low, which is cut to 3 GiB',
      8n * GIB,
      { maxRamBelow4g: 4n * GIB },
      3n * GIB,
      5n * GIB,
    ],
    ['i440fx', '3.75 GiB, at most 4 GiB low', 3840n * MIB, { maxRamBelow4g: 4n * GIB }, 3840n * MIB, 0n],
  ])('%s with %s', (machine, _, ramSize, differing, below4g, above4g) => {
    const layout = pcLayout(guest(machine, ramSize, differing));
    expect(layout).toMatchObject({ below4g, above4g, above4gStart: 4n * GIB });
    expect(layout.sections).toEqual([
      { gpa: 0n, size: below4g, ramAddress: 0n },
      ...(above4g > 0n ? [{ gpa: 4n * GIB, size: above4g, ramAddress: below4g }] : []),
    ]);
  });
});

describe("high RAM moves to 1 TiB, past AMD's HyperTransport region", () => {
  const amdCpu = true;
  test.each<[PcMemory['machine'], string, bigint, Partial<PcMemory>, start: bigint]>([
    ['q35', '978 GiB', 978n * GIB, { amdCpu }, 4n * GIB],
    ['q35', '979 GiB', 979n * GIB, { amdCpu }, TIB],
    ['i440fx', '1009 GiB', 1009n * GIB, { amdCpu }, 4n * GIB],
    ['i440fx', '1010 GiB', 1010n * GIB, { amdCpu }, TIB],
    ['q35', '979 GiB on an Intel vCPU', 979n * GIB, {}, 4n * GIB],
    ['q35', '979 GiB of a machine type before 7.1', 979n * GIB, { amdCpu, enforceAmd1TbHole: false }, 4n * GIB],
    ['q35', '2 GiB, none of it high, and room for 1 TiB of DIMMs', 2n * GIB, { amdCpu, maxRamSize: TIB }, TIB],
    [
      'q35',
      '2 GiB and a PCI hole that ends below the region',
      2n * GIB,
      { amdCpu, pciHole64Size: 1008n * GIB },
      4n * GIB,
    ],
    ['q35', '2 GiB and a PCI hole a byte longer', 2n * GIB, { amdCpu, pciHole64Size: 1008n * GIB + 1n }, TIB],
  ])('%s with %s', (machine, _, ramSize, differing, start) => {
    expect(pcLayout(guest(machine, ramSize, differing)).above4gStart).toBe(start);
  });
});

describe('physical address bits', () => {
  test.each<[string, PcMemory, lastGpa: bigint, suffice: boolean]>([
    ['q35 with 990 GiB and 40 bits', guest('q35', 990n * GIB, { physBits: 40 }), TIB - 1n, true],
    ['q35 with 991 GiB and 40 bits', guest('q35', 991n * GIB, { physBits: 40 }), TIB + GIB - 1n, false],
    [
      'q35 with 979 GiB on AMD and 40 bits',
      guest('q35', 979n * GIB, { physBits: 40, amdCpu: true }),
      2033n * GIB - 1n,
      false,
    ],
    [
      'q35 with 2 GiB, 40 bits and a PCI hole a byte too long',
      guest('q35', 2n * GIB, { physBits: 40, pciHole64Size: 1020n * GIB + 1n }),
      TIB,
      false,
    ],
    ['i440fx with 1021 GiB and 40 bits', guest('i440fx', 1021n * GIB, { physBits: 40 }), TIB - 1n, true],
    ['q35 with 12 TiB and 46 bits', guest('q35', 12n * TIB, { physBits: 46 }), 12n * TIB + 34n * GIB - 1n, true],
  ])('%s', (_, memory, maxUsedGpa, physBitsSuffice) => {
    expect(pcLayout(memory)).toMatchObject({ maxUsedGpa, physBitsSuffice });
  });
});

describe('device memory', () => {
  const dimms = { maxRamSize: 16n * GIB, slots: 2 };

  it('begins at the next GiB after RAM and has a GiB more a slot', () => {
    expect(pcLayout(guest('q35', 8n * GIB - MIB, dimms))).toMatchObject({
      deviceMemory: { base: 10n * GIB, size: 10n * GIB + MIB },
      pciHole64Start: 21n * GIB,
    });
    expect(virtLayout({ ramSize: 8n * GIB, ...dimms })).toEqual({
      sections: [{ gpa: GIB, size: 8n * GIB, ramAddress: 0n }],
      deviceMemory: { base: 9n * GIB, size: 10n * GIB },
      memoryTop: 19n * GIB,
    });
  });

  it('begins at 4 GiB where no RAM is that high', () => {
    expect(pcLayout(guest('i440fx', GIB, dimms)).deviceMemory?.base).toBe(4n * GIB);
  });

  it('is absent where maxmem adds nothing, whatever the slots', () => {
    expect(pcLayout(guest('q35', 8n * GIB, { slots: 4 })).deviceMemory).toBeUndefined();
    expect(virtLayout({ ramSize: 8n * GIB, maxRamSize: 8n * GIB, slots: 4 }).deviceMemory).toBeUndefined();
  });
});

const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const uint64 = fc.bigInt({ min: 1n, max: (1n << 64n) - 1n });

const anyMemory = (size: fc.Arbitrary<bigint>): fc.Arbitrary<PcMemory> =>
  fc
    .record({
      machine: fc.constantFrom('q35', 'i440fx'),
      ramSize: size,
      more: fc.oneof(fc.constant(0n), size),
      slots: fc.nat(256),
      maxRamBelow4g: fc.option(fc.bigInt({ min: MIB, max: 4n * GIB }), { nil: undefined }),
      amdCpu: fc.boolean(),
      physBits: fc.integer({ min: 32, max: 52 }),
      enforceAmd1TbHole: fc.boolean(),
      gigabyteAlign: fc.boolean(),
      pciHole64Size: size,
    })
    .map(({ more, ...memory }) => ({ ...memory, maxRamSize: smaller(memory.ramSize + more, (1n << 64n) - 1n) }));

test('RAM is neither lost nor doubled, and nothing overlaps, up to 4 PiB', () => {
  fc.assert(
    fc.property(anyMemory(fc.bigInt({ min: 1n, max: 1n << 52n })), (memory) => {
      const layout = pcLayout(memory);
      const { sections, deviceMemory, below4g, above4g, above4gStart, pciHole64Start, maxUsedGpa } = layout;
      expect(below4g + above4g).toBe(memory.ramSize);
      const ranges = [
        ...sections.map(({ gpa, size }) => ({ base: gpa, size })),
        ...(deviceMemory ? [deviceMemory] : []),
      ];
      let [end, ram] = [0n, 0n];
      for (const { base, size } of ranges) {
        expect(base).toBeGreaterThanOrEqual(end);
        end = base + size;
      }
      for (const { size, ramAddress } of sections) {
        expect(ramAddress).toBe(ram);
        ram += size;
      }
      expect(ram).toBe(memory.ramSize);
      expect(pciHole64Start).toBeGreaterThanOrEqual(end);
      expect(maxUsedGpa - pciHole64Start + 1n).toBe(memory.pciHole64Size);
      if (memory.amdCpu && memory.enforceAmd1TbHole && maxUsedGpa >= 0xfd00000000n) expect(above4gStart).toBe(TIB);
    }),
  );
});

test('sums wrap at 2^64 as in C', () => {
  const cell = new BigUint64Array(1);
  const u64 = (value: bigint): bigint => {
    cell[0] = value;
    return cell[0];
  };
  const nextGib = (value: bigint): bigint => (u64(value + GIB - 1n) / GIB) * GIB;
  const lastGpa = (memory: PcMemory, start: bigint, above: bigint): bigint => {
    let top = u64(start + above);
    if (memory.maxRamSize > memory.ramSize) {
      top = u64(nextGib(top) + memory.maxRamSize - memory.ramSize + BigInt(memory.slots) * GIB);
    }
    return u64(nextGib(top) + memory.pciHole64Size - 1n);
  };
  fc.assert(
    fc.property(anyMemory(uint64), (memory) => {
      const { above4g, above4gStart, maxUsedGpa, deviceMemory } = pcLayout(memory);
      const low = lastGpa(memory, 4n * GIB, above4g);
      const start = memory.amdCpu && memory.enforceAmd1TbHole && low >= TIB - 12n * GIB ? TIB : 4n * GIB;
      expect(above4gStart).toBe(start);
      expect(maxUsedGpa).toBe(lastGpa(memory, start, above4g));
      if (deviceMemory)
        expect(deviceMemory.size).toBe(u64(memory.maxRamSize - memory.ramSize + BigInt(memory.slots) * GIB));
    }),
  );
});
