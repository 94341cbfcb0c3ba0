import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  allocHwpt,
  compatUnmapDma,
  ENABLE_TRACKING,
  getDirtyBitmap,
  type GetDirtyBitmap,
  type Hwpt,
  hwptFlag,
  type Ioas,
  type IoasMap,
  ioasMap,
  ioasMapFlag,
  type IoasSetup,
  ioasUnmap,
  NO_CLEAR,
  openIoas,
  setDirtyTracking,
  writeDma,
} from '../../../src/simulator/container/iommufd.ts';
import { unmapFlag } from '../../../src/simulator/container/type1.ts';
import type { Errno } from '../../../src/simulator/errno.ts';
import { type MappingRun, totalBytes, totalMappings } from '../../../src/simulator/mapping-runs.ts';
import { ADDRESS_MAX } from '../../../src/simulator/uint64.ts';

const PAGE = 4096n;
const M = 1n << 20n;
const G = 1n << 30n;
const T = 1n << 40n;

/** An IOAS behind an IOMMU of 48 bits that tracks, with pages of 4 KiB only. */
const small: IoasSetup = {
  kernel: { hwptDirtyTracking: true },
  iovaRanges: [{ iova: 0n, size: 1n << 48n }],
  alignment: PAGE,
  iopteSizes: [PAGE],
  dirtyTracking: true,
};
/** The same over huge pages, mapped by 1 MiB and 4 KiB. */
const large: IoasSetup = { ...small, iopteSizes: [M, PAGE] };

function mapped(setup: IoasSetup, ...areas: IoasMap[]): Ioas {
  const ioas = openIoas(setup);
  for (const area of areas) expect(ioasMap(ioas, area).errno).toBeNull();
  return ioas;
}

function hwptOf(ioas: Ioas, flags: number = hwptFlag.dirtyTracking): Hwpt {
  const allocated = allocHwpt(ioas, flags);
  if (allocated.errno !== null) throw new Error(allocated.errno);
  return allocated.hwpt;
}

function tracked(setup: IoasSetup, ...areas: IoasMap[]): Hwpt {
  const hwpt = hwptOf(mapped(setup, ...areas));
  expect(setDirtyTracking(hwpt, ENABLE_TRACKING)).toBeNull();
  return hwpt;
}

const look = (iova: bigint, length: bigint, pageSize = PAGE): GetDirtyBitmap => ({
  iova,
  length,
  pageSize,
  flags: NO_CLEAR,
});

describe('unmapping', () => {
  const twoAreas = () => mapped(small, { iova: G, length: M }, { iova: G + 4n * M, length: 2n * M });

  test.each<[range: string, iova: bigint, length: bigint, errno: Errno | null, unmapped: bigint]>([
    ['nothing', 0n, 8n * M, 'ENOENT', 0n],
    ['16 TiB of nothing', 16n * T, 16n * T, 'ENOENT', 0n],
    ['one area', G, M, null, M],
    ['more than an area, not aligned', G - 100n, M + 200n, null, M],
    ['both areas and the hole', G, 6n * M, null, 3n * M],
    ['16 TiB around both', 0n, 16n * T, null, 3n * M],
    ['everything', 0n, ADDRESS_MAX, null, 3n * M],
    ['the head of an area', G, PAGE, 'ENOENT', 0n],
    ['the tail of an area', G + PAGE, M - PAGE, 'ENOENT', 0n],
    ['the middle of an area', G + PAGE, PAGE, 'ENOENT', 0n],
    ['the first area and the head of the second', G, 5n * M, 'ENOENT', M],
    ['the tail of the first area and the second', G + PAGE, 6n * M, 'ENOENT', 0n],
    ['no byte', G, 0n, 'EINVAL', 0n],
    ['the last byte of 2^64', ADDRESS_MAX, 1n, 'EOVERFLOW', 0n],
    ['past 2^64', ADDRESS_MAX - PAGE + 1n, 2n * PAGE, 'EOVERFLOW', 0n],
    ['2^64 − 1 bytes, but not from 0', PAGE, ADDRESS_MAX, 'EOVERFLOW', 0n],
  ])('%s', (_, iova, length, errno, unmapped) => {
    const ioas = twoAreas();
    const result = ioasUnmap(ioas, iova, length);
    expect(result.errno).toBe(errno);
    expect(result.length).toBe(errno === null ? unmapped : length);
    expect(totalBytes(result.unmapped)).toBe(unmapped);
    expect(totalBytes(ioas.areas)).toBe(3n * M - unmapped);
  });

  test('the first of two areas side by side', () => {
    const ioas = mapped(small, { iova: 0n, length: M, count: 2n });
    expect(ioasUnmap(ioas, 0n, M)).toMatchObject({ errno: null, length: M });
  });

  test('everything, the last page of 2^64 with it', () => {
    const ioas = mapped({ ...small, iovaRanges: [] }, { iova: ADDRESS_MAX - PAGE + 1n, length: PAGE });
    expect(ioasUnmap(ioas, 0n, ADDRESS_MAX)).toMatchObject({ errno: null, length: PAGE });
  });

  test('everything, of an empty IOAS, is no error', () => {
    expect(ioasUnmap(openIoas(small), 0n, ADDRESS_MAX)).toMatchObject({ errno: null, length: 0n });
  });

  test('takes the dirty bits along', () => {
    const hwpt = tracked(small, { iova: 0n, length: M });
    writeDma(hwpt, 0n, PAGE);
    ioasUnmap(hwpt.ioas, 0n, M);
    ioasMap(hwpt.ioas, { iova: 0n, length: M });
    expect(getDirtyBitmap(hwpt, look(0n, M)).dirty).toEqual([]);
  });

  test.each<[call: string, iova: bigint, size: bigint, flags: number, errno: Errno | null, after: bigint]>([
    ['nothing', 8n * G, PAGE, 0, null, 0n],
    ['16 TiB', 0n, 16n * T, 0, null, 3n * M],
    ['everything', 0n, 0n, unmapFlag.all, null, 3n * M],
    ['everything, with a size', 0n, PAGE, unmapFlag.all, 'EINVAL', PAGE],
    ['everything, from somewhere', PAGE, 0n, unmapFlag.all, 'EINVAL', 0n],
    ['part of an area', G, PAGE, 0, 'ENOENT', 0n],
    ['one area and part of the next', G, 5n * M, 0, 'ENOENT', M],
    ['no byte', G, 0n, 0, 'EINVAL', 0n],
    ['with a bitmap', G, M, unmapFlag.getDirtyBitmap, 'EINVAL', M],
    ['an address', G, M, unmapFlag.vaddr, 'EINVAL', M],
  ])('in place of a legacy container: %s', (_, iova, size, flags, errno, after) => {
    const { unmapped, ...answer } = compatUnmapDma(twoAreas(), { iova, size, flags });
    expect(answer).toEqual({ errno, size: after });
    expect(totalBytes(unmapped)).toBe(errno === 'EINVAL' ? 0n : after);
  });
});

describe('mapping', () => {
  test.each<[area: string, map: IoasMap, errno: Errno | null]>([
    ['beside another', { iova: G + M, length: PAGE }, null],
    ['the same again', { iova: G, length: M }, 'EEXIST'],
    ['across another', { iova: G - PAGE, length: 4n * M }, 'EEXIST'],
    ['no byte', { iova: 0n, length: 0n }, 'EINVAL'],
    ['part of a page', { iova: 0n, length: 0x1200n }, 'EINVAL'],
    ['from within a page', { iova: 0x200n, length: PAGE }, 'EINVAL'],
    ['for neither reading nor writing', { iova: 0n, length: PAGE, flags: ioasMapFlag.fixedIova }, 'EINVAL'],
    ['with an unknown flag', { iova: 0n, length: PAGE, flags: 23 }, 'EOPNOTSUPP'],
    ['past the aperture', { iova: 1n << 48n, length: PAGE }, 'EINVAL'],
    ['past 2^64', { iova: ADDRESS_MAX - PAGE + 1n, length: 2n * PAGE }, 'EOVERFLOW'],
    ['2^64 − 1 bytes', { iova: 0n, length: ADDRESS_MAX }, 'EOVERFLOW'],
    ['at 2^64 − 1', { iova: ADDRESS_MAX, length: PAGE }, 'EOVERFLOW'],
    ['memory that is not there', { iova: 0n, length: PAGE, absent: true }, 'EFAULT'],
  ])('%s', (_, map, errno) => {
    const ioas = mapped(small, { iova: G, length: M });
    hwptOf(ioas, 0);
    expect(ioasMap(ioas, map).errno).toBe(errno);
  });

  test('memory is not looked at before a page table needs it, nor bytes aligned', () => {
    const ioas = openIoas({ ...small, alignment: 1n });
    expect(ioasMap(ioas, { iova: 0n, length: PAGE, absent: true }).errno).toBeNull();
    expect(ioasMap(ioas, { iova: 0x1200n, length: 0x200n }).errno).toBeNull();
  });

  test('the number of areas is not limited', () => {
    const ioas = openIoas(small);
    expect(ioasMap(ioas, { iova: 0n, length: PAGE, count: 1n << 36n })).toEqual({ errno: null, made: 1n << 36n });
    expect(ioasMap(ioas, { iova: 2n ** 48n - PAGE, length: PAGE, count: 2n })).toMatchObject({ errno: 'EEXIST' });
    expect(ioasUnmap(ioas, 0n, ADDRESS_MAX).length).toBe(1n << 48n);
  });
});

describe('tracking', () => {
  test.each<[iommu: string, setup: Partial<IoasSetup>, flags: number, errno: Errno | null]>([
    ['that tracks, to track', {}, hwptFlag.dirtyTracking, null],
    ['that tracks, not to', {}, 0, null],
    ['that does not, to track', { dirtyTracking: false }, hwptFlag.dirtyTracking, 'EOPNOTSUPP'],
    ['that does not, not to', { dirtyTracking: false }, 0, null],
    ['before 6.7, to track', { kernel: { hwptDirtyTracking: false } }, hwptFlag.dirtyTracking, 'EOPNOTSUPP'],
    ['with an unknown flag', {}, 16, 'EOPNOTSUPP'],
  ])('a page table of an IOMMU %s', (_, setup, flags, errno) => {
    expect(allocHwpt(openIoas({ ...small, ...setup }), flags).errno).toBe(errno);
  });

  test('is switched where the page table was allocated to track, as often as one likes', () => {
    const [tracking, plain] = [hwptOf(openIoas(small)), hwptOf(openIoas(small), 0)];
    expect([1, 1, 0, 0].map((flags) => setDirtyTracking(tracking, flags))).toEqual([null, null, null, null]);
    expect([1, 0].map((flags) => setDirtyTracking(plain, flags))).toEqual(['EOPNOTSUPP', 'EOPNOTSUPP']);
    expect(setDirtyTracking(tracking, 2)).toBe('EOPNOTSUPP');
    expect([1, 2].map((flags) => setDirtyTracking(undefined, flags))).toEqual(['ENOENT', 'EOPNOTSUPP']);
  });

  test('while it is off nothing is dirty, and switching it on forgets', () => {
    const hwpt = hwptOf(mapped(small, { iova: 0n, length: M }));
    writeDma(hwpt, 0n, PAGE);
    expect(getDirtyBitmap(hwpt, look(0n, M))).toEqual({ errno: null, dirty: [] });
    setDirtyTracking(hwpt, ENABLE_TRACKING);
    writeDma(hwpt, 0n, PAGE);
    setDirtyTracking(hwpt, ENABLE_TRACKING);
    expect(getDirtyBitmap(hwpt, look(0n, M))).toEqual({ errno: null, dirty: [] });
  });

  test('what was dirty when it was switched off stays so, and nothing more becomes it', () => {
    const hwpt = tracked(small, { iova: 0n, length: M });
    writeDma(hwpt, 0n, PAGE);
    setDirtyTracking(hwpt, 0);
    writeDma(hwpt, 2n * PAGE, PAGE);
    expect(getDirtyBitmap(hwpt, look(0n, M)).dirty).toEqual([{ iova: 0n, size: PAGE, count: 1n }]);
  });
});

describe('reading what is dirty', () => {
  const bits = (hwpt: Hwpt, request: GetDirtyBitmap): bigint => totalMappings(getDirtyBitmap(hwpt, request).dirty);

  test('clears, unless told not to', () => {
    const hwpt = tracked(small, { iova: G, length: 2n * M });
    writeDma(hwpt, G, 1n);
    writeDma(hwpt, G + M - 1n, 2n);
    expect([NO_CLEAR, 0, 0].map((flags) => bits(hwpt, { ...look(G, 2n * M), flags }))).toEqual([3n, 3n, 0n]);
  });

  test('has no limit: 16 TiB and more in one call', () => {
    const hwpt = tracked(small, { iova: 0n, length: 3n * G, count: 5462n });
    writeDma(hwpt, 16n * T, PAGE);
    expect(getDirtyBitmap(hwpt, look(0n, 16386n * G))).toEqual({
      errno: null,
      dirty: [{ iova: 16n * T, size: PAGE, count: 1n }],
    });
  });

  test.each<[range: string, iova: bigint, length: bigint, dirty: bigint]>([
    ['ends at the first hole', G, 6n * M, 1n],
    ['starts after it', G + 4n * M, 2n * M, 1n],
    ['starts in a hole', G - 2n * M, 8n * M, 0n],
    ['has no area', 0n, M, 0n],
    ['cuts an area', G, 64n * 1024n, 1n],
    ['cuts an area, its head with the dirty page off', G + PAGE, M, 0n],
    ['is 64 TiB', G, 64n * T, 1n],
  ])('a range that %s is no error', (_, iova, length, dirty) => {
    const hwpt = tracked(small, { iova: G, length: 2n * M }, { iova: G + 4n * M, length: 2n * M });
    writeDma(hwpt, G, PAGE);
    writeDma(hwpt, G + 4n * M, PAGE);
    expect(getDirtyBitmap(hwpt, look(iova, length)).errno).toBeNull();
    expect(bits(hwpt, look(iova, length))).toBe(dirty);
  });

  test('a bitmap that cannot be written loses the bits, silently', () => {
    const hwpt = tracked(small, { iova: 0n, length: M });
    writeDma(hwpt, 0n, PAGE);
    expect(getDirtyBitmap(hwpt, { ...look(0n, M), writable: false })).toEqual({ errno: null, dirty: [] });
    expect(bits(hwpt, look(0n, M))).toBe(1n);
    expect(getDirtyBitmap(hwpt, { ...look(0n, M), flags: 0, writable: false })).toEqual({ errno: null, dirty: [] });
    expect(bits(hwpt, look(0n, M))).toBe(0n);
  });

  test('bits that were set before stay', () => {
    const hwpt = tracked(small, { iova: 0n, length: M });
    writeDma(hwpt, 0n, PAGE);
    const prefilled = [
      { iova: 0n, size: PAGE, count: 2n },
      { iova: 9n * PAGE, size: PAGE, count: 1n },
    ];
    expect(bits(hwpt, { ...look(0n, M), prefilled })).toBe(3n);
  });

  test.each<[pages: string, pageSize: bigint, dirty: bigint]>([
    ['4 KiB', PAGE, 256n],
    ['8 KiB', 2n * PAGE, 128n],
    ['12 KiB, which is taken for 4 KiB', 3n * PAGE, 256n],
    ['2 MiB', 2n * M, 1n],
  ])('one write to an IOPTE of 1 MiB, in pages of %s', (_, pageSize, dirty) => {
    const hwpt = tracked(large, { iova: G, length: G });
    writeDma(hwpt, G + 0x19000n, PAGE);
    expect(bits(hwpt, look(G, 3n * G, pageSize))).toBe(dirty);
  });

  test('an area has large IOPTEs only where they are aligned and whole', () => {
    const hwpt = tracked(large, { iova: M / 2n, length: 2n * M });
    const dirtied = [M / 2n, M, 2n * M].map((iova) => {
      writeDma(hwpt, iova, PAGE);
      return totalMappings(getDirtyBitmap(hwpt, { ...look(M / 2n, 2n * M), flags: 0 }).dirty);
    });
    expect(dirtied).toEqual([1n, 256n, 1n]);
  });

  test.each<[range: string, iova: bigint, length: bigint, inside: bigint, past: bigint]>([
    ['the first page of it', G, PAGE, 1n, 255n],
    ['a page in its middle', G + M / 2n, PAGE, 1n, 255n],
    ['1 MiB from its middle', G + M / 2n, M, 256n, 0n],
    ['the clean one after it', G + M, M, 0n, 0n],
    ['all up to its first page', G - M, M + PAGE, 1n, 255n],
  ])('of a dirty IOPTE of 1 MiB, %s: bits are set past the range', (_, iova, length, inside, past) => {
    const hwpt = tracked(large, { iova: G - M, length: 3n * M });
    writeDma(hwpt, G + 0x19000n, PAGE);
    const { dirty } = getDirtyBitmap(hwpt, look(iova, length));
    const beyond = dirty
      .flatMap(({ iova: at, count }) => [at + count * PAGE - iova - length])
      .filter((size) => size > 0n);
    expect(beyond.reduce((sum, size) => sum + size / PAGE, 0n)).toBe(past);
    expect(totalMappings(dirty)).toBe(inside + past);
  });

  test.each([0n, 4n * G])('bits past a range from %i on end with the page of the bitmap', (iova) => {
    const hwpt = tracked({ ...small, iopteSizes: [G, PAGE] }, { iova, length: G });
    writeDma(hwpt, iova, PAGE);
    expect(bits(hwpt, look(iova, PAGE))).toBe(32768n);
  });

  test.each<[fault: string, request: Partial<GetDirtyBitmap>, errno: Errno | null]>([
    ['an unknown flag', { flags: 2 }, 'EOPNOTSUPP'],
    ['a reserved field', { reserved: true }, 'EOPNOTSUPP'],
    ['an IOVA within a page', { iova: 0x200n, length: M - 0x200n }, 'EINVAL'],
    ['an IOVA within a page, though pages are of a byte', { iova: 0x200n, pageSize: 1n }, 'EINVAL'],
    ['a length within a page', { length: M + 0x200n }, 'EINVAL'],
    ['no page size', { pageSize: 0n }, 'EINVAL'],
    ['no page size, for everything', { pageSize: 0n, length: 0n }, 'EINVAL'],
    ['pages larger than the range', { pageSize: 4n * M }, 'EINVAL'],
    ['pages of 4097 bytes', { pageSize: 4097n, iova: 8192n, length: 8192n }, null],
    ['no length', { length: 0n, iova: PAGE }, 'EOVERFLOW'],
    ['no length, from 0, which is everything', { length: 0n, iova: 0n }, null],
    ['a range past 2^64', { iova: ADDRESS_MAX - PAGE + 1n, length: 2n * PAGE }, 'EOVERFLOW'],
  ])('with %s', (_, request, errno) => {
    const hwpt = tracked(small, { iova: 0n, length: M });
    writeDma(hwpt, 2n * PAGE, PAGE);
    const answer = getDirtyBitmap(hwpt, { ...look(0n, M), ...request });
    expect(answer.errno).toBe(errno);
    expect(answer.dirty.length > 0).toBe(errno === null);
  });

  test('the page table is looked up after the flags, and whether it tracks is looked at after the range', () => {
    const plain = hwptOf(openIoas(small), 0);
    expect(getDirtyBitmap(undefined, look(0n, M)).errno).toBe('ENOENT');
    expect(getDirtyBitmap(undefined, { ...look(0n, M), flags: 2 }).errno).toBe('EOPNOTSUPP');
    expect(getDirtyBitmap(plain, look(0n, M)).errno).toBe('EOPNOTSUPP');
    expect(getDirtyBitmap(plain, look(0n, M, 0n)).errno).toBe('EINVAL');
  });
});

describe('against an IOAS that keeps every area and every page', () => {
  /** Areas of small pages in the first 300, and of IOPTEs of 8 pages where they fit. */
  const eight: IoasSetup = { ...small, iopteSizes: [8n * PAGE, PAGE] };
  const pages = fc.bigInt({ min: 0n, max: 300n });
  const layout = fc.array(
    fc.record({
      gap: fc.constantFrom(0n, 0n, 0n, 1n, 5n, 8n),
      size: fc.bigInt({ min: 1n, max: 40n }),
      count: fc.bigInt({ min: 1n, max: 3n }),
    }),
    { maxLength: 6 },
  );
  const open = (parts: readonly { gap: bigint; size: bigint; count: bigint }[]): Hwpt => {
    let next = 0n;
    const areas = parts.map(({ gap, size, count }) => {
      const iova = next + gap;
      next = iova + size * count;
      return { iova: iova * PAGE, length: size * PAGE, count };
    });
    return tracked(eight, ...areas);
  };
  const areasOf = (ioas: Ioas): [first: bigint, pages: bigint][] =>
    [...ioas.areas].flatMap(({ iova, size, count }) =>
      Array.from({ length: Number(count) }, (_, i): [bigint, bigint] => [
        (iova + BigInt(i) * size) / PAGE,
        size / PAGE,
      ]),
    );
  /** First page and length of the IOPTE that maps `page`. */
  const iopte = (areas: [bigint, bigint][], page: bigint): [bigint, bigint] | undefined => {
    const area = areas.find(([first, length]) => page >= first && page < first + length);
    if (area === undefined) return undefined;
    const start = page - (page % 8n);
    return start >= area[0] && start + 8n <= area[0] + area[1] ? [start, 8n] : [page, 1n];
  };
  const pagesOf = (dirty: readonly MappingRun[]): bigint[] =>
    dirty
      .flatMap(({ iova, count }) => Array.from({ length: Number(count) }, (_, i) => iova / PAGE + BigInt(i)))
      .toSorted((a, b) => (a < b ? -1 : 1));

  test('reading, clearing and unmapping', () => {
    fc.assert(
      fc.property(
        layout,
        fc.array(fc.tuple(pages, fc.bigInt({ min: 1n, max: 20n })), { maxLength: 8 }),
        fc.array(fc.tuple(fc.constantFrom('read', 'clear', 'unmap'), pages, fc.bigInt({ min: 1n, max: 200n })), {
          maxLength: 6,
        }),
        (parts, writes, calls) => {
          const hwpt = open(parts);
          let areas = areasOf(hwpt.ioas);
          const dirty = new Set<bigint>();
          for (const [page, count] of writes) {
            writeDma(hwpt, page * PAGE, count * PAGE);
            for (let at = page; at < page + count; at++) {
              const [first, length] = iopte(areas, at) ?? [0n, 0n];
              for (let one = first; one < first + length; one++) dirty.add(one);
            }
          }
          for (const [call, first, length] of calls) {
            const [iova, size, end] = [first * PAGE, length * PAGE, first + length];
            if (call === 'unmap') {
              const gone: bigint[] = [];
              for (const [at, count] of areas) {
                if (at >= end || at + count <= first) continue;
                if (at < first || at + count > end) break;
                gone.push(at);
                for (let page = at; page < at + count; page++) dirty.delete(page);
              }
              areas = areas.filter(([at]) => !gone.includes(at));
              const cut = areas.some(([at, count]) => at < end && at + count > first);
              const { errno } = ioasUnmap(hwpt.ioas, iova, size);
              expect(errno).toBe(cut || gone.length === 0 ? 'ENOENT' : null);
            } else {
              const bits = new Set<bigint>();
              for (let at = first; at < end; at++) {
                const entry = iopte(areas, at);
                if (entry === undefined) break;
                if (!dirty.has(at)) continue;
                const start = entry[0] < first ? first : entry[0];
                if (at === start) for (let bit = at; bit < at + entry[1]; bit++) bits.add(bit);
                if (call === 'clear' && (at === end - 1n || at === entry[0] + entry[1] - 1n)) {
                  for (let page = entry[0]; page < entry[0] + entry[1]; page++) dirty.delete(page);
                }
              }
              const answer = getDirtyBitmap(hwpt, { ...look(iova, size), flags: call === 'read' ? NO_CLEAR : 0 });
              expect(answer.errno).toBeNull();
              expect(pagesOf(answer.dirty)).toEqual([...bits].toSorted((a, b) => (a < b ? -1 : 1)));
            }
            expect(areasOf(hwpt.ioas)).toEqual(areas);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  test('two halves are as one whole, where the border cuts no IOPTE and holes are read one by one', () => {
    fc.assert(
      fc.property(layout, fc.array(pages, { maxLength: 20 }), (parts, writes) => {
        const hwpt = open(parts.map((part) => ({ ...part, gap: 0n })));
        for (const page of writes) writeDma(hwpt, page * PAGE, PAGE);
        const whole = getDirtyBitmap(hwpt, look(0n, 800n * PAGE)).dirty;
        const borders = [0n, ...areasOf(hwpt.ioas).map(([first, length]) => first + length), 800n].map(
          (at) => at * PAGE,
        );
        const halves = borders.slice(1).flatMap((end, i) => {
          const start = borders[i] as bigint;
          return end === start ? [] : getDirtyBitmap(hwpt, look(start, end - start)).dirty;
        });
        expect(pagesOf(halves)).toEqual(pagesOf(whole));
      }),
    );
  });
});
