import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type DmaMap, type IovaSpan, IovaTree, type Perm } from '../../src/simulator/iova-tree.ts';
import { ADDRESS_MAX, wrap } from '../../src/simulator/uint64.ts';
import { iovaTreeOps } from '../conformance/formats/iova-tree-ops.ts';

const PAGE = 0x1000n;

const page = (iova: bigint, differing: Partial<DmaMap> = {}): DmaMap => ({
  iova,
  addrMask: PAGE - 1n,
  translatedAddress: 0n,
  perm: 3,
  ...differing,
});

const treeOf = (maps: Iterable<DmaMap>): IovaTree => {
  const tree = new IovaTree();
  for (const map of maps) tree.insert(map);
  return tree;
};

/** What a loop of find and remove meets, in order. */
function* takenByFind(tree: IovaTree, span: IovaSpan): Generator<bigint> {
  for (let map = tree.find(span); map; map = tree.find(span)) {
    yield map.iova;
    tree.remove(map);
  }
}

test("every operation has the result that QEMU's own code has, and the tree its height", () => {
  const fixture = readFileSync(new URL('../fixtures/vectors/iova-tree-ops.json.gz', import.meta.url));
  const verdicts = [...iovaTreeOps.replay(JSON.parse(gunzipSync(fixture).toString()))];
  expect(verdicts).toHaveLength(260);
  expect(verdicts.filter((verdict) => verdict !== true)).toEqual([]);
});

describe('insert', () => {
  const last = ADDRESS_MAX - PAGE + 1n;
  test.each<[string, DmaMap, 0 | -1 | -2]>([
    ['adds what touches both neighbours', page(0x2000n), 0],
    ['adds the last page of all', page(last), 0],
    ['refuses what wraps at 2^64', page(last, { addrMask: PAGE }), -1],
    ['refuses what allows no access', page(0x8000n, { perm: 0 }), -1],
    ['refuses what wraps, were it to overlap too', page(0x1000n, { addrMask: ADDRESS_MAX }), -1],
    ['refuses what is there already', page(0x1000n), -2],
    ['refuses what shares a byte with an entry', page(0x3fffn), -2],
    ['refuses the whole space', page(0n, { addrMask: ADDRESS_MAX }), -2],
  ])('%s', (_, map, result) => {
    const tree = treeOf([page(0x1000n), page(0x3000n)]);
    expect(tree.insert(map)).toBe(result);
    const before = [page(0x1000n), page(0x3000n)];
    const after = [...before, map].toSorted((a, b) => (a.iova < b.iova ? -1 : 1));
    expect([...tree]).toEqual(result === 0 ? after : before);
  });
});

describe('a search of the three pages 0x1000, 0x2000 and 0x4000', () => {
  const tree = treeOf([page(0x1000n), page(0x2000n), page(0x4000n)]);
  test.each<[string, IovaSpan, bigint | undefined]>([
    ['one byte of the first', { iova: 0x1fffn, addrMask: 0n }, 0x1000n],
    ['all of them meets the root', { iova: 0n, addrMask: ADDRESS_MAX }, 0x2000n],
    ['the first and a byte of the root meets the root', { iova: 0x1000n, addrMask: 0x1000n }, 0x2000n],
    ['the hole', { iova: 0x3000n, addrMask: 0xfffn }, undefined],
    ['above all, wrapping to below all', { iova: 0x5000n, addrMask: ADDRESS_MAX - 0x4fffn }, undefined],
    ['from the last page on, wrapping to just below it', { iova: 0x4000n, addrMask: ADDRESS_MAX }, undefined],
    ['from inside the last page, wrapping to its first byte', { iova: 0x4001n, addrMask: ADDRESS_MAX }, 0x4000n],
  ])('%s', (_, span, found) => {
    expect(tree.find(span)?.iova).toBe(found);
  });
});

test('a removal takes whole entries, however little of them it names', () => {
  const tree = treeOf([page(0n, { addrMask: (1n << 30n) - 1n }), page(1n << 30n), page(1n << 31n)]);
  expect(tree.remove({ iova: (1n << 30n) - 1n, addrMask: 1n })).toBe(2);
  expect([...tree]).toEqual([page(1n << 31n)]);
});

test('a search by translated address finds the lowest IOVA, not the lowest address', () => {
  const tree = treeOf([
    page(0x1000n, { translatedAddress: 0x9000n }),
    page(0x2000n, { translatedAddress: 0x8000n }),
    page(0x3000n, { translatedAddress: 0x7000n }),
  ]);
  expect(tree.findIova({ translatedAddress: 0x8fffn, addrMask: 1n })?.iova).toBe(0x1000n);
  expect(tree.findIova({ translatedAddress: 0x7000n, addrMask: 0x1fffn })?.iova).toBe(0x2000n);
  expect(tree.findIova({ translatedAddress: 0xa000n, addrMask: 0xfffn })).toBeUndefined();
  // By its last byte.
  expect(tree.findIova({ translatedAddress: 0x9fffn, addrMask: 0n })?.iova).toBe(0x1000n);
});

// Read off QEMU 11.0's tracked loop, compiled over glib 2.74.6.
test.each<[string, end: bigint, inserted: bigint[], met: bigint[]]>([
  [
    'ascending insertions',
    ADDRESS_MAX,
    [0x0n, 0x20_2000n, 0x40_0000n, 0x79_6000n, 0x80_0000n, 0xa0_0000n],
    [0x79_6000n, 0x80_0000n, 0x20_2000n, 0x40_0000n, 0xa0_0000n, 0x0n],
  ],
  [
    'ascending insertions, one more',
    0xfedf_ffffn,
    [0x0n, 0x20_0000n, 0x40_0000n, 0x60_0000n, 0x80_0000n, 0xa0_0000n, 0xd8_a000n],
    [0x60_0000n, 0x80_0000n, 0xa0_0000n, 0x20_0000n, 0x40_0000n, 0xd8_a000n, 0x0n],
  ],
  [
    'shuffled insertions, two of them above the range',
    0xfedf_ffffn,
    [
      0xc2ca_4000n,
      0xe1fb_d000n,
      0xe545_6000n,
      0x8_c086_9000n,
      0xf75c_a000n,
      0x1_df40_0000n,
      0xd2c1_1000n,
      0xf2b7_f000n,
    ],
    [0xf75c_a000n, 0xe1fb_d000n, 0xe545_6000n, 0xf2b7_f000n, 0xc2ca_4000n, 0xd2c1_1000n],
  ],
  [
    'shuffled insertions, all in the range',
    ADDRESS_MAX,
    [
      0xdf17_0000n,
      0xee17_f000n,
      0xf734_2000n,
      0x7_5bce_a000n,
      0xd9ab_d000n,
      0xeec0_0000n,
      0xb_a6b5_b000n,
      0xc67c_7000n,
    ],
    [
      0xee17_f000n,
      0xeec0_0000n,
      0xf734_2000n,
      0x7_5bce_a000n,
      0xd9ab_d000n,
      0xdf17_0000n,
      0xb_a6b5_b000n,
      0xc67c_7000n,
    ],
  ],
])('taking out whatever is found first meets entries in the order of their tree: %s', (_, end, inserted, met) => {
  const tree = treeOf(inserted.map((iova) => page(iova)));
  expect([...takenByFind(tree, { iova: 0n, addrMask: end })]).toEqual(met);
});

test('a tree of ascending insertions is perfect', () => {
  const tree = treeOf(Array.from({ length: 1023 }, (_, index) => page(BigInt(index) * PAGE)));
  expect(tree.height).toBe(10);
  expect([...takenByFind(tree, { iova: 0n, addrMask: ADDRESS_MAX })].slice(0, 3)).toEqual([
    511n * PAGE,
    512n * PAGE,
    513n * PAGE,
  ]);
});

test('a cleared tree is empty and takes entries again', () => {
  const tree = treeOf([page(0x1000n), page(0x2000n), page(0x3000n)]);
  tree.remove(page(0x2000n));
  tree.clear();
  expect([tree.count, tree.height, tree.find(page(0x1000n))]).toEqual([0, 0, undefined]);
  const maps = [page(0x1000n), page(0x2000n), page(0x3000n), page(0x4000n)];
  expect(maps.map((map) => tree.insert(map))).toEqual([0, 0, 0, 0]);
  expect([...tree]).toEqual(maps);
});

// A few addresses at either end of the space, on page borders and beside them, so that operations meet each other.
const anyAddress = fc
  .tuple(
    fc.constantFrom(0n, 1n << 32n, 1n << 63n, ADDRESS_MAX - 0x3_ffffn),
    fc.nat({ max: 63 }),
    fc.constantFrom(0n, 0n, 1n, 0xfffn),
  )
  .map(([base, index, offset]) => base + BigInt(index) * PAGE + offset);
const anyMask = fc.oneof(
  { arbitrary: fc.constant(PAGE - 1n), weight: 6 },
  fc.constantFrom(0n, PAGE, 2n * PAGE - 1n, 16n * PAGE - 1n, (1n << 32n) - 1n, ADDRESS_MAX),
);
const anyMap = fc.record<DmaMap>({
  iova: anyAddress,
  addrMask: anyMask,
  translatedAddress: anyAddress,
  perm: fc.constantFrom<Perm>(1, 2, 3, 3, 0),
});
const anyOperations = fc.array(
  fc.tuple(fc.constantFrom('insert', 'insert', 'insert', 'insert', 'remove', 'find', 'findIova'), anyMap),
  { maxLength: 200, size: 'max' },
);

describe('any operations', () => {
  test('do what they do to a sorted list', () => {
    fc.assert(
      fc.property(anyOperations, (operations) => {
        const tree = new IovaTree();
        let list: DmaMap[] = [];
        for (const [operation, map] of operations) {
          const wraps = map.iova + map.addrMask > ADDRESS_MAX;
          const met = list.filter((entry) => overlap(entry, map));
          if (operation === 'insert') {
            const result = wraps || map.perm === 0 ? -1 : met.length > 0 ? -2 : 0;
            expect(tree.insert(map)).toBe(result);
            if (result === 0) list = [...list, map].toSorted((a, b) => (a.iova < b.iova ? -1 : 1));
          } else if (operation === 'findIova') {
            const first = list.find((entry) => mayReach(entry.translatedAddress, entry.addrMask, map));
            expect(tree.findIova(map)).toEqual(first);
          } else if (!wraps && operation === 'find') {
            const found = tree.find(map);
            expect(found === undefined).toBe(met.length === 0);
            if (found) expect(met).toContainEqual(found);
          } else if (!wraps) {
            expect(tree.remove(map)).toBe(met.length);
            list = list.filter((entry) => !overlap(entry, map));
          }
          expect(tree.count).toBe(list.length);
        }
        expect([...tree]).toEqual(list);
      }),
    );
  });

  test('leave a tree of the shape that the textbook leaves', () => {
    fc.assert(
      fc.property(anyOperations, (operations) => {
        const tree = new IovaTree();
        let root: Textbook;
        for (const [operation, map] of operations) {
          if (operation === 'insert') {
            if (tree.insert(map) === 0) root = textbookInsert(root, map);
          } else if (operation === 'remove') {
            tree.remove(map);
            for (let met = textbookFind(root, map); met; met = textbookFind(root, map))
              root = textbookRemove(root, met);
          } else {
            expect(tree.find(map)).toEqual(textbookFind(root, map));
          }
          expect(tree.height).toBe(height(root));
        }
      }),
    );
  });
});

function overlap(a: IovaSpan, b: IovaSpan): boolean {
  return a.iova <= b.iova + b.addrMask && b.iova <= a.iova + a.addrMask;
}

/** Sums wrap at 2^64 on both sides, as QEMU's do. */
function mayReach(address: bigint, mask: bigint, { translatedAddress, addrMask }: DmaMap): boolean {
  return wrap(address + mask) >= translatedAddress && wrap(translatedAddress + addrMask) >= address;
}

/** An AVL tree in its plainest form: heights are counted anew each time, nothing is changed in place. */
type Textbook = { map: DmaMap; left: Textbook; right: Textbook } | undefined;

const height = (tree: Textbook): number => (tree ? 1 + Math.max(height(tree.left), height(tree.right)) : 0);
const lean = (tree: Textbook): number => (tree ? height(tree.right) - height(tree.left) : 0);

/** −1 when `span` is left of `map`, 1 when it is right of it, 0 when they overlap; `span` may wrap. */
const side = (span: IovaSpan, map: DmaMap): -1 | 0 | 1 =>
  span.iova > map.iova + map.addrMask ? 1 : wrap(span.iova + span.addrMask) < map.iova ? -1 : 0;

function textbookFind(tree: Textbook, span: IovaSpan): DmaMap | undefined {
  if (!tree) return undefined;
  const way = side(span, tree.map);
  return way === 0 ? tree.map : textbookFind(way < 0 ? tree.left : tree.right, span);
}

function textbookInsert(tree: Textbook, map: DmaMap): Textbook {
  if (!tree) return { map, left: undefined, right: undefined };
  if (map.iova < tree.map.iova) return level({ ...tree, left: textbookInsert(tree.left, map) });
  return level({ ...tree, right: textbookInsert(tree.right, map) });
}

function textbookRemove(tree: Textbook, map: DmaMap): Textbook {
  if (!tree) return undefined;
  if (map.iova < tree.map.iova) return level({ ...tree, left: textbookRemove(tree.left, map) });
  if (map.iova > tree.map.iova) return level({ ...tree, right: textbookRemove(tree.right, map) });
  if (!tree.left || !tree.right) return tree.left ?? tree.right;
  let successor = tree.right;
  while (successor.left) successor = successor.left;
  return level({ ...tree, map: successor.map, right: textbookRemove(tree.right, successor.map) });
}

function level(tree: NonNullable<Textbook>): Textbook {
  if (lean(tree) > 1) return rotateLeft(lean(tree.right) < 0 ? { ...tree, right: rotateRight(tree.right) } : tree);
  if (lean(tree) < -1) return rotateRight(lean(tree.left) > 0 ? { ...tree, left: rotateLeft(tree.left) } : tree);
  return tree;
}

const rotateLeft = (tree: Textbook): Textbook =>
  tree?.right && { ...tree.right, left: { ...tree, right: tree.right.left } };
const rotateRight = (tree: Textbook): Textbook =>
  tree?.left && { ...tree.left, right: { ...tree, left: tree.left.right } };
