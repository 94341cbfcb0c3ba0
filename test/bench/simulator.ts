import BTreeModule from 'sorted-btree';
import {
  bitmapBytes,
  figuresOf,
  intelNotifiers,
  type Machine,
  type MappingRun,
  MappingRuns,
  type Notifier,
  switchDomain,
  unmapTracked,
} from 'migration-preflight/simulator';
import { BLOCK_PAGES, blockOrder } from '../../src/simulator/power-of-two.ts';
import { ALONE, collectGarbage, compare, numbers, type Row, type Timing } from './compare.ts';
import { type1Machine } from '../simulator/type1-machine.ts';

const BTree = BTreeModule.default;

function shuffled(length: number, next: () => number): Uint32Array {
  const order = Uint32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = next() % (i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  return order;
}

const times = (slower: Timing, faster: Timing): number => slower.median / faster.median;

/** (a) The blocks of 20 000 ranges of up to 2^28 pages: in page numbers, and as one would in BigInt. */
export function decomposition(): Row {
  const next = numbers(1);
  const pages = Array.from({ length: 20_000 }, () => {
    const start = next() * 8 + (next() % 8);
    return { start, end: start + (next() % 2 ** 28) + 1 };
  });
  const bytes = pages.map(({ start, end }) => ({ start: BigInt(start) << 12n, end: BigInt(end) << 12n }));
  let blocks = 0;
  const timings = compare<void>(
    [
      {
        name: 'page numbers',
        run: () => {
          let order = 0;
          blocks = 0;
          for (const { start, end } of pages) {
            for (let page = start; page < end; page += BLOCK_PAGES[order] as number) {
              order = blockOrder(page, end, 36);
              blocks++;
            }
          }
          return blocks;
        },
      },
      {
        name: 'BigInt',
        run: () => {
          let count = 0;
          for (const { start, end } of bytes) {
            let size = 0n;
            for (let iova = start; iova < end; iova += size) {
              size = iova === 0n ? 1n << 48n : iova & -iova;
              while (size > end - iova) size >>= 1n;
              count++;
            }
          }
          return count;
        },
      },
    ],
    { rounds: 15, warmUp: 5 },
  );
  const [ours, theirs] = timings as [Timing, Timing];
  return {
    job: `power-of-two blocks of ${pages.length} ranges`,
    timings,
    each: { of: blocks, unit: 'block' },
    ratios: [`${times(theirs, ours).toFixed(1)}x faster than BigInt`],
    goal: 'at least 2x',
    excess: 2 / times(theirs, ours),
  };
}

const MAPPINGS = 1_000_000;

/** 4 KiB mappings in no order, none next to another, both below and above the interrupt window. */
function shuffledMappings(): MappingRun[] {
  const next = numbers(2);
  const pages = shuffled(MAPPINGS, next);
  const guestPages = shuffled(MAPPINGS, next);
  return Array.from(pages, (page, i) => {
    const iova = BigInt(page) * 0x3000n + (page < 300_000 ? 0x1000n : 0x1_0000_0000n);
    return { iova, size: 0x1000n, count: 1n, gpa: BigInt((guestPages[i] as number) + 1) * 0x1000n };
  });
}

/** What VFIO hears of `run`, cropped to `notifier`, held against the bitmap that it needs. */
function bitmapOf({ iova, size, count }: MappingRun, { start, end }: Notifier): bigint {
  const last = iova + size * count - 1n;
  if (iova >= start && last <= end) return count * bitmapBytes(size, 4096n);
  return bitmapBytes((last < end ? last : end) - (iova > start ? iova : start) + 1n, 4096n);
}

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0);

/** (b) An IOVA tree built of a million mappings, and intel-iommu's tracked loop with the bitmaps that its unmaps need. */
export function trackedUnmap(): Row {
  const mappings = shuffledMappings();
  const timings = compare<void>(
    [
      {
        name: 'MappingRuns',
        run: () => {
          const tree = new MappingRuns(mappings);
          let sum = 0n;
          for (const notifier of intelNotifiers) {
            for (const { size, count } of unmapTracked(notifier, tree, 'tracked')) {
              sum += count * bitmapBytes(size, 4096n);
            }
          }
          return sum;
        },
      },
      {
        name: 'sorted-btree',
        run: () => {
          const tree = new BTree<bigint, MappingRun>(undefined, ascending);
          for (const mapping of mappings) tree.set(mapping.iova, mapping);
          let sum = 0n;
          for (const notifier of intelNotifiers) {
            tree.forRange(notifier.start, notifier.end, true, (_iova, mapping) => {
              sum += bitmapOf(mapping, notifier);
            });
            tree.deleteRange(notifier.start, notifier.end, true);
          }
          return sum;
        },
      },
      {
        name: 'array of objects',
        run: () => {
          const tree = mappings.toSorted((a, b) => ascending(a.iova, b.iova));
          let sum = 0n;
          for (const notifier of intelNotifiers) {
            const from = tree.findIndex(({ iova }) => iova >= notifier.start);
            const beyond = tree.findIndex(({ iova }) => iova > notifier.end);
            const taken = tree.splice(from, (beyond < 0 ? tree.length : beyond) - from);
            for (const mapping of taken) sum += bitmapOf(mapping, notifier);
          }
          return sum;
        },
      },
    ],
    { rounds: 5, warmUp: 1 },
  );
  const [ours, ...others] = timings as [Timing, ...Timing[]];
  return {
    job: `build of ${MAPPINGS} shuffled 4 KiB mappings, tracked unmap`,
    timings,
    each: { of: MAPPINGS, unit: 'mapping' },
    ratios: others.map((other) => `${times(other, ours).toFixed(1)}x faster than ${other.name}`),
    goal: 'at least 5x each',
    excess: Math.max(...others.map((other) => 5 / times(other, ours))),
  };
}

/** A VM behind intel-iommu with 48 bits whose one legacy container tracks for a migration, on QEMU 11.1. */
const machine = (mappings: readonly MappingRun[], domainUnmap: 'whole' | 'tracked'): Machine => ({
  ...type1Machine,
  behaviours: { ...type1Machine.behaviours, domainUnmap },
  viommu: { model: 'intel', addressWidth: 48, scalableMode: false, firstStage: false },
  mappings,
});

const SWITCHES = 1000;

const switches = (of: Machine): void => {
  for (let i = 0; i < SWITCHES; i++) figuresOf(switchDomain(of, 'dma', 'blocking'));
};

/** (c) A whole switch with its figures, of 10 runs of mappings of a billion pages each and of 10 pages each. */
export function compressedRuns(): Row {
  const ofPages = (count: bigint): Machine =>
    machine(
      Array.from({ length: 10 }, (_, i) => ({
        iova: 0x1_0000_0000n + BigInt(i) * (1n << 43n),
        size: 4096n,
        count,
        gpa: 0x1_0000_0000n,
      })),
      'tracked',
    );
  const [long, short] = [ofPages(1_000_000_000n), ofPages(10n)];
  const timings = compare<void>(
    [
      { name: '10 runs of 1e9 pages', run: () => switches(long) },
      { name: '10 runs of 10 pages', run: () => switches(short) },
    ],
    { rounds: 9, warmUp: 2 },
  );
  const [ofLong, ofShort] = timings as [Timing, Timing];
  return {
    job: 'switch of a run-compressed domain, with figures',
    timings,
    each: { of: SWITCHES, unit: 'switch' },
    ratios: [`${times(ofLong, ofShort).toFixed(2)}x as long for 1e9 pages as for 10`],
    goal: 'at most 2x',
    excess: times(ofLong, ofShort) / 2,
  };
}

/** (d) What an IOVA tree of a million mappings holds on to. */
export function memory(): Row {
  const mappings = shuffledMappings();
  const held = (): number => {
    // Buffers that the first collection finds dead are freed beside what follows.
    for (let i = 0; i < 3; i++) collectGarbage();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const before = held();
  const tree = new MappingRuns(mappings);
  const bytes = (held() - before) / MAPPINGS;
  if (tree.from(0n) === undefined || mappings.length !== MAPPINGS) throw new Error('nothing was held');
  return {
    job: `memory of ${MAPPINGS} mappings`,
    ...ALONE,
    ratios: [`${bytes.toFixed(1)} bytes a mapping, heapUsed + arrayBuffers`],
    goal: 'below 40',
    excess: bytes / 40,
  };
}

/** (e) What an evaluation does for a guest that has mapped nothing: a whole unmap of 48 bits, in 28 pieces. No goal. */
export function emptyDomain(): Row {
  const empty = machine([], 'whole');
  const pieces = switchDomain(empty, 'dma', 'blocking').steps.length;
  const timings = compare<void>([{ name: `${pieces} pieces`, run: () => switches(empty) }], { rounds: 9, warmUp: 2 });
  return {
    job: 'switch of an empty domain, whole unmap of 48 bits, with figures',
    timings,
    each: { of: SWITCHES, unit: 'switch' },
    ratios: [],
    goal: '',
    excess: null,
  };
}
