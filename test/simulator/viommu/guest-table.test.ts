import { describe, expect, test } from 'vitest';
import type { MappingRun } from '../../../src/simulator/mapping-runs.ts';
import {
  asLeaves,
  clearLeaves,
  entriesIn,
  type GuestTable,
  guestTable,
  mapLeaves,
} from '../../../src/simulator/viommu/guest-table.ts';

const KIB_4 = 1n << 12n;
const MIB_2 = 1n << 21n;
const GIB = 1n << 30n;
const ROOT = 1n << 39n;

const names = new Map([
  [KIB_4, '4K'],
  [MIB_2, '2M'],
  [GIB, '1G'],
  [ROOT, '512G'],
]);

/** A leaf or leaves of one size, each mapped to its own address. */
const at = (iova: bigint, size: bigint, count = 1n): MappingRun => ({ iova, size, count, gpa: iova });

/** What a walk of [start, end) meets: leaves as they are, holes in parentheses. */
const walk = (table: GuestTable, start = 0n, end = ROOT): string =>
  Array.from(entriesIn(table, 48, start, end), ({ kind, run: { size, count } }) => {
    const entries = `${names.get(size)}${count > 1n ? `x${count}` : ''}`;
    return kind === 'leaf' ? entries : `(${entries})`;
  }).join(' ');

describe('the tables of a guest that unmapped stay, but for those that it cleared whole', () => {
  const page = at(MIB_2 + KIB_4, KIB_4);

  test.each<[cleared: string, start: bigint, size: bigint, entries: string]>([
    ['nothing', 0n, KIB_4, '(2M) (4K) 4K (4Kx510) (2Mx510) (1Gx511)'],
    ['the page', page.iova, KIB_4, '(2M) (4Kx512) (2Mx510) (1Gx511)'],
    ['all of its table but the last page', MIB_2, MIB_2 - KIB_4, '(2M) (4Kx512) (2Mx510) (1Gx511)'],
    ['all of its table but the first page', MIB_2 + KIB_4, MIB_2 - KIB_4, '(2M) (4Kx512) (2Mx510) (1Gx511)'],
    ['its table', MIB_2, MIB_2, '(2Mx512) (1Gx511)'],
    ['its table and more', 0n, GIB - KIB_4, '(2Mx512) (1Gx511)'],
    ['the gibibyte', 0n, GIB, '(1Gx512)'],
    ['all', 0n, ROOT, '(512G)'],
  ])('cleared: %s', (_, start, size, entries) => {
    const table = guestTable([page]);
    clearLeaves(table, start, start + size - 1n);
    expect(walk(table)).toBe(entries);
  });

  test.each<[cleared: string, start: bigint, size: bigint, entries: string]>([
    ['all of it but the last page', MIB_2, MIB_2 - KIB_4, '(2M) (4Kx512) (2Mx510) (1Gx511)'],
    ['all of it but the first page', MIB_2 + KIB_4, MIB_2 - KIB_4, '(2M) (4Kx512) (2Mx510) (1Gx511)'],
    ['it', MIB_2, MIB_2, '(2Mx512) (1Gx511)'],
    ['the gibibyte', 0n, GIB, '(1Gx512)'],
  ])('a table in which nothing is left goes with what is cleared later: %s', (_, start, size, entries) => {
    const table = guestTable([page]);
    clearLeaves(table, page.iova, page.iova);
    clearLeaves(table, start, start + size - 1n);
    expect(walk(table)).toBe(entries);
  });

  test('a leaf of 1 GiB has no table below it, when smaller ones take its place either', () => {
    const table = guestTable([page]);
    clearLeaves(table, page.iova, page.iova);
    mapLeaves(table, at(0n, GIB));
    mapLeaves(table, at(4n * MIB_2, MIB_2));
    expect(walk(table)).toBe('(2Mx4) 2M (2Mx507) (1Gx511)');
  });

  test('a leaf of 2 MiB of which a page is cleared goes whole, and leaves no table of pages', () => {
    const table = guestTable([at(MIB_2, MIB_2)]);
    clearLeaves(table, MIB_2 + KIB_4, MIB_2 + KIB_4);
    expect(walk(table)).toBe('(2Mx512) (1Gx511)');
  });

  test.each<[size: string, leaf: bigint, entries: string]>([
    ['2 MiB', MIB_2, '(2Mx512) (1Gx511)'],
    ['1 GiB', GIB, '(1Gx512)'],
  ])('a leaf of %s takes the place of the tables below it', (_, leaf, entries) => {
    const table = guestTable([page]);
    clearLeaves(table, page.iova, page.iova);
    mapLeaves(table, at(page.iova & -leaf, leaf));
    clearLeaves(table, page.iova & -leaf, (page.iova & -leaf) + leaf - 1n);
    expect(walk(table)).toBe(entries);
  });

  test('a page beside one that went does not: its table is the same', () => {
    const table = guestTable([page]);
    clearLeaves(table, page.iova, page.iova);
    mapLeaves(table, at(MIB_2, KIB_4));
    expect(walk(table)).toBe('(2M) 4K (4Kx511) (2Mx510) (1Gx511)');
    clearLeaves(table, MIB_2, MIB_2);
    expect(walk(table)).toBe('(2M) (4Kx512) (2Mx510) (1Gx511)');
  });

  test('a leaf of 2 MiB leaves the table that it stood in, and no smaller one', () => {
    const table = guestTable([at(MIB_2, MIB_2)]);
    clearLeaves(table, MIB_2, 2n * MIB_2 - 1n);
    expect(walk(table)).toBe('(2Mx512) (1Gx511)');
  });

  test('of a run that crosses tables, those at both ends stay', () => {
    const table = guestTable([at(MIB_2 - KIB_4, KIB_4, 514n)]);
    clearLeaves(table, MIB_2 - KIB_4, 2n * MIB_2 + KIB_4 - 1n);
    expect(walk(table)).toBe('(4Kx512) (2M) (4Kx512) (2Mx509) (1Gx511)');
  });
});

describe('a walk of a part', () => {
  test.each<[part: string, leaves: MappingRun[], start: bigint, end: bigint, entries: string]>([
    ['of nothing', [], KIB_4, KIB_4, ''],
    ['of a hole: the whole entry', [], KIB_4, 2n * KIB_4, '(512G)'],
    ['of two holes', [], ROOT - KIB_4, ROOT + KIB_4, '(512Gx2)'],
    ['above 48 bits', [], 1n << 48n, 1n << 49n, ''],
    ['of some of many leaves', [at(0n, KIB_4, 1024n)], 0n, 5n * KIB_4, '4Kx5'],
    ['of some and a byte of many leaves', [at(0n, KIB_4, 1024n)], 0n, 5n * KIB_4 + 1n, '4Kx6'],
    ['of a byte of a large leaf: all of it', [at(0n, MIB_2)], KIB_4, 2n * KIB_4, '2M'],
    ['of leaves and what is behind them in their table', [at(0n, KIB_4, 513n)], 0n, 514n * KIB_4, '4Kx513 (4K)'],
    ['of leaves of two sizes', [at(0n, MIB_2), at(MIB_2, KIB_4, 2n)], 0n, MIB_2 + 4n * KIB_4, '2M 4Kx2 (4Kx2)'],
    ['that a table begins before', [at(MIB_2, KIB_4)], MIB_2 + KIB_4, 2n * MIB_2, '(4Kx511)'],
    ['that a table ends behind', [at(MIB_2 + 8n * KIB_4, KIB_4)], 0n, MIB_2 + 4n * KIB_4, '(2M) (4Kx4)'],
  ])('%s', (_, leaves, start, end, entries) => {
    expect(walk(guestTable(leaves), start, end)).toBe(entries);
  });
});

describe('the leaves of a range', () => {
  test.each<[range: string, MappingRun, MappingRun[]]>([
    [
      'of 1 GiB and a page',
      { iova: GIB, size: GIB + KIB_4, count: 1n },
      [
        { iova: GIB, size: GIB, count: 1n },
        { iova: 2n * GIB, size: KIB_4, count: 1n },
      ],
    ],
    [
      'of just 2 MiB, aligned, in two halves',
      { iova: MIB_2, size: MIB_2 / 2n, count: 2n },
      [{ iova: MIB_2, size: MIB_2, count: 1n }],
    ],
    [
      'that ends where a larger leaf would begin',
      { iova: MIB_2 - 2n * KIB_4, size: 2n * KIB_4, count: 1n },
      [{ iova: MIB_2 - 2n * KIB_4, size: KIB_4, count: 2n }],
    ],
    [
      'in which a larger leaf does not fit',
      { iova: MIB_2 - KIB_4, size: MIB_2, count: 1n },
      [{ iova: MIB_2 - KIB_4, size: KIB_4, count: 512n }],
    ],
    [
      'whose addresses are in step by 2 MiB and not by 1 GiB',
      { iova: GIB, size: GIB, count: 1n, gpa: MIB_2 },
      [{ iova: GIB, size: GIB, count: 1n, gpa: MIB_2 }],
    ],
    [
      'of 3 GiB in one mapping, whose addresses are in step by 2 MiB and not by 1 GiB',
      { iova: GIB, size: 3n * GIB, count: 1n, gpa: MIB_2 },
      [{ iova: GIB, size: MIB_2, count: 1536n, gpa: MIB_2 }],
    ],
    [
      'in step from its second page on',
      { iova: MIB_2 - KIB_4, size: MIB_2 + KIB_4, count: 1n, gpa: GIB - KIB_4 },
      [
        { iova: MIB_2 - KIB_4, size: KIB_4, count: 1n, gpa: GIB - KIB_4 },
        { iova: MIB_2, size: MIB_2, count: 1n, gpa: GIB },
      ],
    ],
    [
      'of leaves that are not aligned to their size',
      { iova: KIB_4, size: MIB_2, count: 1n },
      [{ iova: KIB_4, size: KIB_4, count: 512n }],
    ],
  ])('%s', (_, run, leaves) => {
    expect([...asLeaves(run)]).toEqual(leaves);
  });
});
