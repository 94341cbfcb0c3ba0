import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { IovaTree } from '../../../src/simulator/iova-tree.ts';
import { MappingRuns, type MappingRun } from '../../../src/simulator/mapping-runs.ts';
import { ADDRESS_MAX } from '../../../src/simulator/uint64.ts';
import { asLeaves, clearLeaves, guestTable, keep, mapLeaves } from '../../../src/simulator/viommu/guest-table.ts';
import { emptyPageTable, syncRange, writeEntry } from '../../../src/simulator/viommu/page-walk.ts';
import { type SyncEvent, syncRuns } from '../../../src/simulator/viommu/sync.ts';

const KIB_4 = 1n << 12n;
const MIB_2 = 1n << 21n;
const GIB = 1n << 30n;
const everywhere = { start: 0n, end: ADDRESS_MAX };

/** `type iova size` and, for what is mapped or took a mapping's place, the address. */
type Line = string;

const line = (type: string, iova: bigint, size: bigint, address: bigint): Line =>
  `${iova.toString(16).padStart(16, '0')} ${type === 'map' ? 'then map' : 'first unmap'} ${size.toString(16)} ${address.toString(16)}`;

function linesOf({ type, run }: SyncEvent): Line[] {
  return Array.from({ length: Number(run.count) }, (_, i) => {
    const offset = BigInt(i) * run.size;
    return line(type, run.iova + offset, run.size, type === 'unmap-hole' ? 0n : (run.gpa ?? 0n) + offset);
  });
}

/** The guest writes an entry, and sometimes a range is synced. Few addresses, so that entries meet. */
const operation = fc.record({
  size: fc.constantFrom(KIB_4, KIB_4, MIB_2, GIB),
  root: fc.nat(1),
  gib: fc.nat(1),
  mib: fc.nat(2),
  page: fc.nat(3),
  gpa: fc.option(fc.nat(2), { nil: undefined }),
  sync: fc.constantFrom('none', 'entry', 'all'),
});

describe('a walk over runs', () => {
  it.each([39, 48] as const)('announces what the walk entry by entry does, %i bits', (addressWidth) => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 30 }), (operations) => {
        const exact = { table: emptyPageTable(addressWidth), tree: new IovaTree() };
        const runs = { table: guestTable(), tree: new MappingRuns() };
        for (const { size, root, gib, mib, page, gpa, sync } of operations) {
          const low =
            size === KIB_4 ? BigInt(mib) * MIB_2 + BigInt(page) * KIB_4 : size === MIB_2 ? BigInt(mib) * MIB_2 : 0n;
          const iova = BigInt(root) * (1n << 38n) * (addressWidth === 48 ? 2n : 1n) + BigInt(gib) * GIB + low;
          const leaf = gpa === undefined ? undefined : { gpa: BigInt(gpa) * GIB, perm: 3 as const };
          writeEntry(exact.table, iova, size, leaf);
          if (leaf) mapLeaves(runs.table, { iova, size, count: 1n, gpa: leaf.gpa });
          else clearLeaves(runs.table, iova, iova + size - 1n);
          for (const span of [MIB_2, GIB, 512n * GIB]) {
            if (!leaf && span > size) keep(runs.table, { iova: iova & -span, size: span, count: 1n });
          }
          if (sync === 'none') continue;
          const [start, end] = sync === 'all' ? [0n, ADDRESS_MAX] : [iova, iova + size];
          const theirs = [...syncRange(exact.table, exact.tree, [everywhere], start, end)];
          const ours = [...syncRuns(runs.table, runs.tree, addressWidth, start, end)].flatMap(linesOf);
          expect(ours.toSorted()).toEqual(
            theirs.map((event) => line(event.type, event.iova, event.size, event.translatedAddress)).toSorted(),
          );
          expect([...runs.tree].map((run) => [run.iova, run.size])).toEqual(
            [...exact.tree].map((map) => [map.iova, map.addrMask + 1n]),
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it('costs by runs: a thousand million pages are one event', () => {
    const run = { iova: 0n, size: KIB_4, count: 1_000_000_000n, gpa: 0n };
    const tree = new MappingRuns();
    expect([...syncRuns(guestTable([run]), tree, 48, 0n, ADDRESS_MAX)]).toEqual([{ type: 'map', run }]);
    const holes = [...syncRuns(guestTable(), tree, 48, 0n, ADDRESS_MAX)];
    expect(holes).toEqual([{ type: 'unmap-hole', run: { iova: 0n, size: 1n << 39n, count: 8n } }]);
  });
});

describe('what a walk over runs announces', () => {
  /** First page, pages of each, how many, and the page that the first maps. */
  type Pages = readonly [page: bigint, pages: bigint, count: bigint, address?: bigint];
  const run = ([page, pages, count, address]: Pages): MappingRun => ({
    iova: page * KIB_4,
    size: pages * KIB_4,
    count,
    ...(address !== undefined && { gpa: address * KIB_4 }),
  });
  const shown = ({ type, run: { iova, size, count, gpa } }: SyncEvent): string =>
    `${type} ${iova / KIB_4} ${size / KIB_4}x${count}${gpa === undefined ? '' : ` to ${gpa / KIB_4}`}`;

  test.each<[what: string, known: Pages[], mapped: Pages[], events: string[]]>([
    ['nothing where all is as it was', [[0n, 1n, 8n, 100n]], [[0n, 1n, 8n, 100n]], []],
    ['nothing where no address was known', [[0n, 1n, 8n]], [[0n, 1n, 8n, 100n]], []],
    ['nothing where no address is known now', [[0n, 1n, 8n, 100n]], [[0n, 1n, 8n]], []],
    [
      'what comes on both sides of a page that was there',
      [[3n, 1n, 1n, 103n]],
      [[0n, 1n, 8n, 100n]],
      ['map 0 1x3 to 100', 'map 4 1x4 to 104'],
    ],
    [
      'a page within a run that was mapped elsewhere',
      [[3n, 1n, 1n, 7n]],
      [[0n, 1n, 8n, 100n]],
      ['map 0 1x3 to 100', 'unmap 3 1x1 to 103', 'map 3 1x1 to 103', 'map 4 1x4 to 104'],
    ],
    [
      'a leaf in the place of two pages once',
      [
        [0n, 1n, 1n, 100n],
        [5n, 1n, 1n, 105n],
      ],
      [[0n, 512n, 1n, 1024n]],
      ['unmap 0 512x1 to 1024', 'map 0 512x1 to 1024'],
    ],
    [
      'leaves in the place of pages of two runs',
      [
        [0n, 1n, 513n, 4096n],
        [600n, 1n, 500n, 8192n],
      ],
      [[0n, 512n, 4n, 1024n]],
      [
        'unmap 0 512x2 to 1024',
        'map 0 512x2 to 1024',
        'unmap 1024 512x1 to 2048',
        'map 1024 512x1 to 2048',
        'map 1536 512x1 to 2560',
      ],
    ],
    [
      'pages in the place of two leaves: an unmap for each',
      [[0n, 512n, 2n, 1024n]],
      [[0n, 1n, 1024n, 1024n]],
      [
        'unmap 0 1x1 to 1024',
        'map 0 1x1 to 1024',
        'map 1 1x511 to 1025',
        'unmap 512 1x1 to 1536',
        'map 512 1x1 to 1536',
        'map 513 1x511 to 1537',
      ],
    ],
    [
      'a hole in the place of two pages once',
      [
        [0n, 1n, 1n, 100n],
        [5n, 1n, 1n, 105n],
      ],
      [],
      ['unmap-hole 0 134217728x1'],
    ],
    [
      'the hole that a leaf was in, and none beside it',
      [[1n << 27n, 1n << 18n, 1n, 0n]],
      [],
      ['unmap-hole 134217728 134217728x1'],
    ],
  ])('%s', (_, known, mapped, events) => {
    const walk = syncRuns(guestTable(mapped.map(run)), new MappingRuns(known.map(run)), 48, 0n, ADDRESS_MAX);
    expect(Array.from(walk, shown)).toEqual(events);
  });
});

describe('the leaves that a guest maps a range with', () => {
  it.each<[string, MappingRun, MappingRun[]]>([
    ['pages of 4 KiB as they stand', { iova: 0n, size: KIB_4, count: 9n }, [{ iova: 0n, size: KIB_4, count: 9n }]],
    [
      'a range in the largest pages that fit',
      { iova: MIB_2 - KIB_4, size: 2n * MIB_2 + KIB_4, count: 1n },
      [
        { iova: MIB_2 - KIB_4, size: KIB_4, count: 1n },
        { iova: MIB_2, size: MIB_2, count: 2n },
      ],
    ],
    [
      'small pages where the guest addresses are out of step',
      { iova: 0n, size: 4n * KIB_4, count: 1n, gpa: KIB_4 },
      [{ iova: 0n, size: KIB_4, count: 4n, gpa: KIB_4 }],
    ],
  ])('%s', (_name, run, leaves) => {
    expect([...asLeaves(run)]).toEqual(leaves);
  });

  it('are whole pages', () => {
    expect(() => [...asLeaves({ iova: 0n, size: 512n, count: 1n })]).toThrow(RangeError);
  });

  it('cover the range exactly, without overlap', () => {
    const pages = fc.record({
      iova: fc.nat(1 << 20),
      size: fc.integer({ min: 1, max: 1 << 20 }),
      gpa: fc.option(fc.nat(1 << 20)),
    });
    fc.assert(
      fc.property(pages, ({ iova, size, gpa }) => {
        const run = {
          iova: BigInt(iova) * KIB_4,
          size: BigInt(size) * KIB_4,
          count: 1n,
          ...(gpa !== null && { gpa: BigInt(gpa) * KIB_4 }),
        };
        let next = run.iova;
        for (const leaf of asLeaves(run)) {
          expect(leaf.iova).toBe(next);
          expect((leaf.iova | (leaf.gpa ?? 0n)) % leaf.size).toBe(0n);
          expect(leaf.gpa).toBe(run.gpa === undefined ? undefined : run.gpa + (leaf.iova - run.iova));
          next += leaf.size * leaf.count;
        }
        expect(next).toBe(run.iova + run.size);
      }),
    );
  });
});
