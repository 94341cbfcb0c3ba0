import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firstOverlap, type MappingRun, MappingRuns, totalBytes, totalMappings } from '../../src/simulator/index.ts';

const PAGE = 0x1000n;
const ADDRESSES = 1n << 64n;

const run = (iova: bigint, size: bigint, count: bigint, gpa?: bigint): MappingRun => ({
  iova,
  size,
  count,
  ...(gpa !== undefined && { gpa }),
});

describe('MappingRuns', () => {
  it('takes whole mappings of a run, and keeps what lies beside them', () => {
    const runs = new MappingRuns([run(0x1000n, 0x1000n, 8n, 0x70000n)]);
    expect(runs.take(0x2fffn, 0x4000n)).toEqual([run(0x2000n, 0x1000n, 3n, 0x71000n)]);
    expect([...runs]).toEqual([run(0x1000n, 0x1000n, 1n, 0x70000n), run(0x5000n, 0x1000n, 4n, 0x74000n)]);
  });

  it.each<[name: string, at: string, runs: MappingRun[]]>([
    ['overlapping runs', '0x1000', [run(0n, PAGE, 2n), run(PAGE, PAGE, 1n)]],
    [
      'overlapping runs, whatever comes first',
      '0x1000',
      [run(PAGE, PAGE, 1n), run(PAGE * 8n, PAGE, 1n), run(0n, PAGE, 2n)],
    ],
    ['a mapping inside a larger one', '0x1000', [run(0n, 2n * PAGE, 1n), run(PAGE, PAGE, 1n)]],
    [
      'overlapping runs of less than a page, high up',
      '0x8000000000000800',
      [run(1n << 63n, 0x200n, 5n), run((1n << 63n) + 0x800n, 0x200n, 1n)],
    ],
    ['a run past 2^64 - 1', '0xfffffffffffff000', [run(ADDRESSES - PAGE, PAGE, 2n)]],
    ['a run past 2^64 - 1 by a byte', '0xffffffffffffffff', [run(ADDRESSES - 1n, 1n, 2n)]],
    ['a run below 0', '0x-1000', [run(-PAGE, PAGE, 1n)]],
    ['a run from 2^64 on', '0x10000000000000000', [run(ADDRESSES, PAGE, 1n)]],
    ['a mapping of more than 2^64 bytes', '0x0', [run(0n, ADDRESSES + PAGE, 1n)]],
    ['more than 2^64 mappings', '0x0', [run(0n, 1n, ADDRESSES + 1n)]],
  ])('refuses %s', (_name, at, runs) => {
    expect(() => new MappingRuns(runs)).toThrow(new RangeError(`mappings overlap at ${at}`));
  });

  it.each<[name: string, runs: MappingRun[], at: number]>([
    ['nothing', [], -1],
    ['back to back from 0 on', [run(0n, PAGE, 2n), run(2n * PAGE, PAGE, 1n)], -1],
    ['apart', [run(PAGE, PAGE, 1n), run(8n * PAGE, PAGE, 1n)], -1],
    ['up to the last byte', [run(ADDRESSES - PAGE, PAGE, 1n)], -1],
    ['overlapping by a byte', [run(0n, PAGE, 2n), run(2n * PAGE - 1n, 1n, 1n)], 1],
    ['overlapping twice', [run(0n, PAGE, 2n), run(PAGE, PAGE, 2n), run(PAGE, PAGE, 2n)], 1],
    ['a byte past the last', [run(0n, PAGE, 1n), run(ADDRESSES - PAGE, PAGE + 1n, 1n)], 1],
  ])('the first overlap of runs that are %s', (_name, runs, at) => {
    expect(firstOverlap(runs)).toBe(runs[at]);
  });

  it('holds runs from wherever they come', () => {
    const some = [run(8n * PAGE, PAGE, 1n), run(0n, PAGE, 2n)];
    expect([...new MappingRuns(new Set(some))]).toEqual(some.toReversed());
  });

  it('holds 2^64 mappings of a byte, and one of the last byte', () => {
    const bytes = run(0n, 1n, ADDRESSES);
    expect([...new MappingRuns([bytes])]).toEqual([bytes]);
    const last = run(ADDRESSES - 1n, 1n, 1n);
    expect([...new MappingRuns([last])]).toEqual([last]);
  });

  it('is copied as it stands after an edit', () => {
    const runs = new MappingRuns([run(0n, PAGE, 1n), run(2n * PAGE, PAGE, 1n), run(4n * PAGE, PAGE, 1n)]);
    runs.take(2n * PAGE, 2n * PAGE);
    const copy = new MappingRuns(runs);
    runs.take(0n, 0n);
    expect([...copy]).toEqual([run(0n, PAGE, 1n), run(4n * PAGE, PAGE, 1n)]);
  });

  it('refuses to add a run that ends on the first byte of another', () => {
    const runs = new MappingRuns([run(10n, 1n, 1n)]);
    expect(runs.add(run(0n, 11n, 1n))).toBe(false);
    expect(runs.add(run(0n, 10n, 1n))).toBe(true);
  });

  it('holds a mapping that ends with the address space', () => {
    const last = run((1n << 64n) - 0x1000n, 0x1000n, 1n);
    expect(new MappingRuns([last]).take(0n, (1n << 64n) - 1n)).toEqual([last]);
  });

  it('holds one mapping of everything', () => {
    const all = run(0n, 1n << 64n, 1n);
    const runs = new MappingRuns([all]);
    expect(runs.cutBy(1n)).toBe(true);
    expect([...new MappingRuns(runs)]).toEqual([all]);
    expect(runs.take(5n, 5n)).toEqual([all]);
    expect([...runs]).toEqual([]);
  });

  it('drains runs whole between two ends', () => {
    const runs = new MappingRuns([run(0n, 1n, 4n), run(10n, 1n, 4n), run(20n, 1n, 4n)]);
    expect([...runs.drain(2n, 21n)]).toEqual([run(2n, 1n, 2n), run(10n, 1n, 4n), run(20n, 1n, 2n)]);
  });

  it('drains to the end where the caller breaks off', () => {
    const runs = new MappingRuns([run(0n, 1n, 4n), run(10n, 1n, 4n), run(20n, 1n, 4n)]);
    for (const drained of runs.drain(2n, 21n)) {
      expect(drained).toEqual(run(2n, 1n, 2n));
      break;
    }
    expect([...runs]).toEqual([run(0n, 1n, 2n), run(22n, 1n, 2n)]);
  });

  it.each([
    [0x1000n, false],
    [0x1800n, true],
    [0x2000n, false],
    [0x3000n, false],
    [0xfffn, false],
  ])('address %i cuts a mapping: %s', (address, expected) => {
    expect(new MappingRuns([run(0x1000n, 0x1000n, 2n)]).cutBy(address)).toBe(expected);
  });
});

/** Disjoint runs: gaps and lengths one after the other. */
const disjoint = fc
  .array(fc.record({ gap: fc.nat(4), size: fc.integer({ min: 1, max: 4 }), count: fc.integer({ min: 1, max: 6 }) }), {
    maxLength: 8,
  })
  .map((parts) => {
    let next = 0n;
    return parts.map(({ gap, size, count }) => {
      const each = run(next + BigInt(gap), BigInt(size), BigInt(count), next);
      next = each.iova + each.size * each.count;
      return each;
    });
  });

/** Every mapping on its own: the slow and obvious form. */
const singles = (runs: Iterable<MappingRun>): MappingRun[] =>
  [...runs].flatMap(({ iova, size, count, gpa = 0n }) =>
    Array.from({ length: Number(count) }, (_, i) => run(iova + BigInt(i) * size, size, 1n, gpa + BigInt(i) * size)),
  );

describe('MappingRuns is a list of single mappings', () => {
  it('in what it finds, takes and keeps', () => {
    fc.assert(
      fc.property(disjoint, fc.nat(80), fc.nat(80), (runs, start, length) => {
        const [first, last] = [BigInt(start), BigInt(start + length)];
        const hit = singles(runs).filter(({ iova, size }) => iova <= last && iova + size > first);
        const rest = singles(runs).filter((each) => !hit.some(({ iova }) => iova === each.iova));
        const held = new MappingRuns(runs);
        expect(singles(held.overlapping(first, last))).toEqual(hit);
        expect(singles(held.take(first, last))).toEqual(hit);
        expect(singles(held)).toEqual(rest);
        expect(totalMappings(held) + totalMappings(hit)).toBe(totalMappings(runs));
        expect(totalBytes(held) + totalBytes(hit)).toBe(totalBytes(runs));
      }),
    );
  });

  it('in which additions it refuses', () => {
    fc.assert(
      fc.property(disjoint, fc.nat(60), fc.integer({ min: 1, max: 5 }), (runs, start, count) => {
        const added = run(BigInt(start), 1n, BigInt(count));
        const overlaps = singles(runs).some(
          ({ iova, size }) => iova < added.iova + added.count && iova + size > added.iova,
        );
        const held = new MappingRuns(runs);
        expect(held.add(added)).toBe(!overlaps);
        expect(totalMappings(held)).toBe(totalMappings(runs) + (overlaps ? 0n : added.count));
      }),
    );
  });

  it('after any row of edits', () => {
    const edits = fc.array(
      fc.record({ how: fc.constantFrom('take', 'drain', 'add'), at: fc.nat(90), size: fc.nat(9) }),
    );
    fc.assert(
      fc.property(disjoint, edits, (runs, row) => {
        const held = new MappingRuns(runs);
        let expected = singles(runs);
        for (const { how, at, size } of row) {
          const edit = run(BigInt(at), BigInt(size + 1), 1n, BigInt(at));
          const last = edit.iova + edit.size - 1n;
          const hit = expected.filter((each) => each.iova <= last && each.iova + each.size > edit.iova);
          if (how !== 'add') {
            expect(singles(how === 'take' ? held.take(edit.iova, last) : held.drain(edit.iova, last))).toEqual(hit);
            expected = expected.filter((each) => !hit.includes(each));
          } else if (held.add(edit)) {
            expected = [...expected, edit].toSorted((a, b) => (a.iova < b.iova ? -1 : 1));
          }
          expect(singles(held)).toEqual(expected);
        }
      }),
    );
  });
});

describe('MappingRuns sorts', () => {
  const bits = (max: number): fc.Arbitrary<bigint> =>
    fc
      .tuple(fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }), fc.integer({ min: 64 - max, max: 63 }))
      .map(([value, shift]) => value >> BigInt(shift));
  const runs = (unit: bigint): fc.Arbitrary<MappingRun[]> =>
    fc
      .array(fc.tuple(bits(50), bits(40), bits(10), fc.option(bits(64))), {
        minLength: 200,
        maxLength: 300,
        size: 'max',
      })
      .map((parts) => {
        let next = 0n;
        const made: MappingRun[] = [];
        for (const [gap, size, count, gpa] of parts) {
          const each = run(next + gap * unit, (size + 1n) * unit, count + 1n, gpa ?? undefined);
          next = each.iova + each.size * each.count;
          if (next <= 1n << 64n) made.push(each);
        }
        return made;
      });

  it.each([
    ['pages', 4096n],
    ['bytes', 1n],
  ])('runs of %s, wherever they lie in 64 bits', (_name, unit) => {
    const shuffled = runs(unit).chain((ascending) =>
      fc.tuple(
        fc.constant(ascending),
        fc.shuffledSubarray(ascending, { minLength: ascending.length, maxLength: ascending.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([ascending, given]) => {
        expect([...new MappingRuns(given)]).toEqual(ascending);
      }),
    );
  });

  it('bytes by all their bits, as many as there are digits and more', () => {
    const bytes = Array.from({ length: 8192 }, (_, i) => run(BigInt(i), 1n, 1n));
    expect([...new MappingRuns(bytes.toReversed())]).toEqual(bytes);
  });

  it('with each run its guest address, where every other has one', () => {
    const pages = [
      run(0n, PAGE, 1n),
      run(PAGE, PAGE, 1n, PAGE),
      run(2n * PAGE, PAGE, 1n),
      run(3n * PAGE, PAGE, 1n, 0n),
    ];
    expect([...new MappingRuns(pages.toReversed())]).toEqual(pages);
  });

  it('runs of which two overlap by a byte, and refuses them', () => {
    fc.assert(
      fc.property(runs(4096n), fc.nat(), (ascending, pick) => {
        const one = ascending[pick % ascending.length] as MappingRun;
        const overlapping = run(one.iova + one.size * one.count - 1n, 1n, 1n);
        expect(() => new MappingRuns([overlapping, ...ascending.toReversed()])).toThrow(RangeError);
      }),
    );
  });
});
