import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { IovaTree, type Perm } from '../../../src/simulator/iova-tree.ts';
import { ADDRESS_MAX, larger, smaller } from '../../../src/simulator/uint64.ts';
import { intelNotifiers } from '../../../src/simulator/viommu/sections.ts';
import type { Notifier } from '../../../src/simulator/viommu/notifier.ts';
import {
  emptyPageTable,
  type PageTable,
  type PageTableEntry,
  type PageWalkEvent,
  replay,
  syncRange,
  writeEntry,
} from '../../../src/simulator/viommu/page-walk.ts';
import { vtdPageWalk } from '../../conformance/formats/vtd-page-walk.ts';

const PAGE = 0x1000n;
const MIB = 1n << 20n;
const GIB = 1n << 30n;
const whole: Notifier = { start: 0n, end: ADDRESS_MAX };

type Leaf = [iova: bigint, size: bigint, gpa: bigint, perm?: Perm];
type Write = [iova: bigint, size: bigint, gpa?: bigint, perm?: Perm];
type Event = [type: 'map' | 'unmap', iova: bigint, size: bigint, translatedAddress: bigint];

const write = (table: PageTable, [iova, size, gpa, perm = 3]: Write): void =>
  writeEntry(table, iova, size, gpa === undefined ? undefined : { gpa, perm });

const rows = (events: Iterable<PageWalkEvent>): Event[] =>
  Array.from(events, ({ type, iova, size, translatedAddress }) => [type, iova, size, translatedAddress]);

const fullSync = (table: PageTable, tree: IovaTree, notifiers: readonly Notifier[] = [whole]): PageWalkEvent[] => [
  ...syncRange(table, tree, notifiers, 0n, ADDRESS_MAX),
];

const entries = (tree: IovaTree): Leaf[] =>
  Array.from(tree, ({ iova, addrMask, translatedAddress, perm }) => [iova, addrMask + 1n, translatedAddress, perm]);

/** A table and a tree in line with it. */
function synced(leaves: readonly Leaf[]): { table: PageTable; tree: IovaTree } {
  const table = emptyPageTable(39);
  for (const leaf of leaves) write(table, leaf);
  const tree = new IovaTree();
  fullSync(table, tree);
  return { table, tree };
}

test("every walk is heard, and leaves the tree, as in QEMU's own code", () => {
  const fixture = readFileSync(new URL('../../fixtures/vectors/vtd-page-walk.json.gz', import.meta.url));
  const verdicts = [...vtdPageWalk.replay(JSON.parse(gunzipSync(fixture).toString()))];
  expect(verdicts).toHaveLength(200);
  expect(verdicts.filter((verdict) => verdict !== true)).toEqual([]);
});

const pages = (iova: bigint, gpa: bigint, count: number): Leaf[] =>
  Array.from({ length: count }, (_, i) => [iova + BigInt(i) * PAGE, PAGE, gpa + BigInt(i) * PAGE]);

describe('after the guest', () => {
  test.each<[string, Leaf[], Write[], Event[], left: Leaf[]]>([
    ['changed nothing', pages(0n, GIB, 3), [], [], pages(0n, GIB, 3)],
    [
      'cleared a page, its bits are credited to address 0',
      [[PAGE, PAGE, 7n * PAGE]],
      [[PAGE, PAGE]],
      [['unmap', PAGE, PAGE, 0n]],
      [],
    ],
    [
      'took the access of a page away and left its address, they are credited there',
      [[PAGE, PAGE, 7n * PAGE]],
      [[PAGE, PAGE, 7n * PAGE, 0]],
      [['unmap', PAGE, PAGE, 7n * PAGE]],
      [],
    ],
    [
      'took the access of a directory away and left the address of its table, they are credited there',
      [[3n * MIB, PAGE, 0n]],
      [[2n * MIB, 2n * MIB, GIB + PAGE, 0]],
      [['unmap', 2n * MIB, 2n * MIB, GIB + PAGE]],
      [],
    ],
    [
      'moved a page, they are credited to the new one',
      [[PAGE, PAGE, 7n * PAGE]],
      [[PAGE, PAGE, 9n * PAGE]],
      [
        ['unmap', PAGE, PAGE, 9n * PAGE],
        ['map', PAGE, PAGE, 9n * PAGE],
      ],
      [[PAGE, PAGE, 9n * PAGE]],
    ],
    [
      'made a page read-only, it goes and comes back',
      [[PAGE, PAGE, 7n * PAGE]],
      [[PAGE, PAGE, 7n * PAGE, 1]],
      [
        ['unmap', PAGE, PAGE, 7n * PAGE],
        ['map', PAGE, PAGE, 7n * PAGE],
      ],
      [[PAGE, PAGE, 7n * PAGE, 1]],
    ],
    [
      'cleared 512 pages one by one, each is an unmap',
      pages(2n * MIB, GIB, 512),
      pages(2n * MIB, GIB, 512).map(([iova, size]) => [iova, size]),
      pages(2n * MIB, GIB, 512).map(([iova, size]) => ['unmap', iova, size, 0n]),
      [],
    ],
    [
      'cleared the directory over 512 pages, they are one unmap',
      pages(2n * MIB, GIB, 512),
      [[2n * MIB, 2n * MIB]],
      [['unmap', 2n * MIB, 2n * MIB, 0n]],
      [],
    ],
    [
      'cleared the directory over one page, it is one unmap of 2 MiB all the same',
      [[3n * MIB, PAGE, GIB]],
      [[2n * MIB, 2n * MIB]],
      [['unmap', 2n * MIB, 2n * MIB, 0n]],
      [],
    ],
    [
      'gathered pages into a large page, they are one unmap of its size',
      [...pages(2n * MIB, GIB, 3), [5n * MIB, PAGE, 0n]],
      [[2n * MIB, 2n * MIB, GIB]],
      [
        ['unmap', 2n * MIB, 2n * MIB, GIB],
        ['map', 2n * MIB, 2n * MIB, GIB],
      ],
      [
        [2n * MIB, 2n * MIB, GIB],
        [5n * MIB, PAGE, 0n],
      ],
    ],
    [
      'gathered one page into a large one that begins with it, they are one unmap of its size too',
      [[2n * MIB, PAGE, GIB]],
      [[2n * MIB, 2n * MIB, GIB]],
      [
        ['unmap', 2n * MIB, 2n * MIB, GIB],
        ['map', 2n * MIB, 2n * MIB, GIB],
      ],
      [[2n * MIB, 2n * MIB, GIB]],
    ],
    [
      'split a large page in place, only the first entry of the new table is unmapped and the tree forgets the rest',
      [[2n * MIB, 2n * MIB, GIB]],
      [[2n * MIB + PAGE, PAGE, GIB + PAGE]],
      [
        ['unmap', 2n * MIB, PAGE, 0n],
        ['map', 2n * MIB + PAGE, PAGE, GIB + PAGE],
      ],
      [[2n * MIB + PAGE, PAGE, GIB + PAGE]],
    ],
    [
      'wrote an address above the address width, the entry is passed over and its page stays mapped',
      [[PAGE, PAGE, 7n * PAGE]],
      [[PAGE, PAGE, 1n << 39n]],
      [],
      [[PAGE, PAGE, 7n * PAGE]],
    ],
    ['wrote a large page at an address that is not aligned', [], [[2n * MIB, 2n * MIB, GIB + PAGE]], [], []],
  ])('%s', (_, leaves, writes, events, left) => {
    const { table, tree } = synced(leaves);
    for (const entry of writes) write(table, entry);
    expect(rows(fullSync(table, tree))).toEqual(events);
    expect(entries(tree)).toEqual(left.map(([iova, size, gpa, perm = 3]) => [iova, size, gpa, perm]));
  });
});

test('an unmap allows no access, a map what the leaf allows', () => {
  const { table, tree } = synced([[PAGE, PAGE, 0n, 2]]);
  write(table, [PAGE, PAGE, MIB, 2]);
  expect(fullSync(table, tree).map(({ type, perm }) => [type, perm])).toEqual([
    ['unmap', 0],
    ['map', 2],
  ]);
});

test('four levels: a cleared entry of the root is one unmap of 512 GiB', () => {
  const table = emptyPageTable(48);
  write(table, [513n * GIB, PAGE, 0n]);
  const tree = new IovaTree();
  fullSync(table, tree);
  write(table, [512n * GIB, 512n * GIB]);
  expect(rows(fullSync(table, tree))).toEqual([['unmap', 512n * GIB, 512n * GIB, 0n]]);
});

test('four levels: a leaf of 512 GiB is reserved', () => {
  const table = emptyPageTable(48);
  write(table, [0n, 512n * GIB, 0n]);
  const tree = new IovaTree();
  expect(fullSync(table, tree)).toEqual([]);
});

test.each<[string, start: bigint, end: bigint, Event[]]>([
  ['one page', 0x20_1000n, 0x20_2000n, [['unmap', 0x20_1000n, PAGE, 0n]]],
  ['a byte of a page', 0x20_1fffn, 0x20_2000n, [['unmap', 0x20_1000n, PAGE, 0n]]],
  ['a page of a large page', 0x40_5000n, 0x40_6000n, [['unmap', 0x40_0000n, 2n * MIB, 0n]]],
  ['nothing', 0x20_1000n, 0x20_1000n, []],
  ['what lies above the address width', 1n << 39n, ADDRESS_MAX, []],
])('a sync of %s looks at whole entries', (_, start, end, events) => {
  const { table, tree } = synced([...pages(2n * MIB, 0n, 3), [4n * MIB, 2n * MIB, GIB]]);
  for (const [iova, size] of entries(tree)) write(table, [iova, size]);
  expect(rows(syncRange(table, tree, [whole], start, end))).toEqual(events);
});

describe('the notifiers beside the interrupt window', () => {
  test.each<[string, Leaf, Event[]]>([
    ['nobody hears of a page in it', [0xfee0_0000n, PAGE, 0n], []],
    [
      'a large page across its end is cropped, its address is not',
      [0xfee0_0000n, 2n * MIB, GIB],
      [['map', 0xfef0_0000n, MIB, GIB]],
    ],
    [
      'a page of 1 GiB around it is heard twice, above first',
      [3n * GIB, GIB, GIB],
      [
        ['map', 0xfef0_0000n, 0x110_0000n, GIB],
        ['map', 3n * GIB, 0x3ee0_0000n, GIB],
      ],
    ],
  ])('%s', (_, leaf, events) => {
    const table = emptyPageTable(39);
    write(table, leaf);
    const tree = new IovaTree();
    expect(rows(fullSync(table, tree, intelNotifiers))).toEqual(events);
    expect(tree.count).toBe(1);
  });
});

test('an entry is written where the table has one, or not at all', () => {
  const table = emptyPageTable(39);
  const entry: PageTableEntry = { gpa: 0n, perm: 3 };
  for (const [iova, size] of [
    [PAGE, 2n * MIB],
    [0n, 3n * PAGE],
    [0n, 0n],
    [0n, 512n * GIB],
    [1n << 39n, PAGE],
  ] as const) {
    expect(() => writeEntry(table, iova, size, entry)).toThrow(RangeError);
  }
  expect(table.root).toEqual([]);
});

// Two directories either side of the interrupt window and the pages of 1 GiB around, so that writes meet each other.
const anyWrite: fc.Arbitrary<Write> = fc
  .tuple(
    fc.constantFrom(PAGE, PAGE, PAGE, 2n * MIB, GIB),
    fc.constantFrom(0n, 0xfec0_0000n, 0xfee0_0000n, 4n * GIB),
    fc.nat({ max: 3 }),
    fc.option(fc.nat({ max: 2 }), { nil: undefined }),
    fc.constantFrom<Perm>(1, 2, 3),
  )
  .map(([size, base, index, target, perm]) => {
    const iova = base - (base % size) + BigInt(index) * size;
    return target === undefined ? [iova, size] : [iova, size, BigInt(target) * GIB, perm];
  });
const anyWrites = fc.array(anyWrite, { maxLength: 20 });
const anyRounds = fc.array(anyWrites, { minLength: 1, maxLength: 5 });

/** The leaves of a table that the guest wrote in this order. */
function leavesOf(writes: readonly Write[]): Leaf[] {
  let leaves: Leaf[] = [];
  for (const [iova, size, gpa, perm] of writes) {
    leaves = leaves.filter(([at, length]) => at + length <= iova || iova + size <= at);
    if (gpa !== undefined) leaves.push([iova, size, gpa, perm ?? 3]);
  }
  return leaves.toSorted(([a], [b]) => (a < b ? -1 : 1));
}

describe('whatever the guest writes', () => {
  test('a full sync brings the tree into line, and a second one says nothing', () => {
    fc.assert(
      fc.property(anyRounds, (rounds) => {
        const table = emptyPageTable(39);
        const tree = new IovaTree();
        for (const [round, writes] of rounds.entries()) {
          for (const entry of writes) write(table, entry);
          fullSync(table, tree);
          expect(entries(tree)).toEqual(leavesOf(rounds.slice(0, round + 1).flat()));
          expect(fullSync(table, tree)).toEqual([]);
        }
      }),
    );
  });

  test('a sync in two parts says what a sync of both says', () => {
    const anyBorder = fc.constantFrom(2n * PAGE, 2n * MIB, GIB, 0xfee0_0000n, 0xfee0_2000n, 4n * GIB);
    fc.assert(
      fc.property(anyWrites, anyWrites, anyBorder, (before, after, border) => {
        const [atOnce, inParts] = [emptyPageTable(39), emptyPageTable(39)];
        const [tree, otherTree] = [new IovaTree(), new IovaTree()];
        for (const table of [atOnce, inParts]) for (const entry of before) write(table, entry);
        fullSync(atOnce, tree);
        fullSync(inParts, otherTree);
        for (const table of [atOnce, inParts]) for (const entry of after) write(table, entry);
        const parts = [
          ...syncRange(inParts, otherTree, intelNotifiers, 0n, border),
          ...syncRange(inParts, otherTree, intelNotifiers, border, ADDRESS_MAX),
        ];
        expect(parts).toEqual(fullSync(atOnce, tree, intelNotifiers));
        expect([...otherTree]).toEqual([...tree]);
      }),
    );
  });

  test('a replay tells a notifier of every leaf in its range, and unmaps nothing', () => {
    fc.assert(
      fc.property(anyWrites, fc.constantFrom(...intelNotifiers, whole), (writes, notifier) => {
        const table = emptyPageTable(39);
        const tree = new IovaTree();
        tree.insert({ iova: 1n << 38n, addrMask: PAGE - 1n, translatedAddress: 0n, perm: 3 });
        for (const entry of writes) write(table, entry);
        const leaves = leavesOf(writes);
        const heard = leaves.flatMap(([iova, size, gpa, perm]) => {
          const start = larger(iova, notifier.start);
          const end = smaller(iova + size - 1n, notifier.end);
          return start > end
            ? []
            : [{ type: 'map', iova: start, size: end - start + 1n, translatedAddress: gpa, perm }];
        });
        expect([...replay(table, tree, notifier)]).toEqual(heard);
        expect(entries(tree)).toEqual(leaves);
      }),
    );
  });
});
