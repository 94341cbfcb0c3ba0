import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { GuestEvent } from '../../../src/simulator/events.ts';
import type { MappingRun } from '../../../src/simulator/mapping-runs.ts';
import { mappingsOf, react, simulate, type SimulatedMachine, stateIn } from '../../../src/simulator/index.ts';
import type { UnmapNotice } from '../../../src/simulator/viommu/notifier.ts';
import { unmapDomain } from '../../../src/simulator/viommu/virtio.ts';
import { virtioIommuUnmap } from '../../conformance/formats/virtio-iommu-unmap.ts';
import { type1Machine } from '../type1-machine.ts';

const PAGE = 0x1000n;
const MIB = 1n << 20n;

/** Every single unmap as [iova, size]. */
const singly = (notices: Iterable<UnmapNotice>): [bigint, bigint][] =>
  [...notices].flatMap(({ iova, size, count }) =>
    Array.from({ length: Number(count) }, (_, i): [bigint, bigint] => [iova + BigInt(i) * size, size]),
  );

test("every detach unmaps what QEMU's own code unmaps", () => {
  const fixture = readFileSync(new URL('../../fixtures/vectors/virtio-iommu-unmap.json.gz', import.meta.url));
  const verdicts = [...virtioIommuUnmap.replay(JSON.parse(gunzipSync(fixture).toString()))];
  expect(verdicts).toHaveLength(120);
  expect(verdicts.filter((verdict) => verdict !== true)).toEqual([]);
});

test.each<[string, MappingRun[], [iova: bigint, size: bigint, count: bigint][]]>([
  ['an empty domain', [], []],
  ['a page', [{ iova: PAGE, size: PAGE, count: 1n }], [[PAGE, PAGE, 1n]]],
  ['a million pages in a row, never merged', [{ iova: 0n, size: PAGE, count: 1n << 20n }], [[0n, PAGE, 1n << 20n]]],
  ['a large page', [{ iova: 2n * MIB, size: 2n * MIB, count: 1n }], [[2n * MIB, 2n * MIB, 1n]]],
  [
    'a large page that is not aligned',
    [{ iova: MIB, size: 2n * MIB, count: 1n }],
    [
      [MIB, MIB, 1n],
      [2n * MIB, MIB, 1n],
    ],
  ],
  [
    'two mappings of three pages, each cut by itself',
    [{ iova: 0n, size: 3n * PAGE, count: 2n }],
    [
      [0n, 2n * PAGE, 1n],
      [2n * PAGE, PAGE, 1n],
      [3n * PAGE, PAGE, 1n],
      [4n * PAGE, 2n * PAGE, 1n],
    ],
  ],
  ['all 2^64 bytes', [{ iova: 0n, size: 1n << 64n, count: 1n }], [[0n, 1n << 64n, 1n]]],
  ['the last page', [{ iova: (1n << 64n) - PAGE, size: PAGE, count: 1n }], [[(1n << 64n) - PAGE, PAGE, 1n]]],
])('leaving a domain that maps %s', (_, mappings, unmaps) => {
  expect([...unmapDomain(mappings)]).toEqual(
    unmaps.map(([iova, size, count]) => ({ iova, size, count, translatedAddress: 0n })),
  );
});

test('every mapping goes in naturally aligned powers of two that lie end to end', () => {
  const anyRun = fc.record({
    iova: fc.bigInt(0n, 1n << 52n).map((frame) => frame * PAGE),
    size: fc
      .oneof(
        fc.bigInt(1n, 1n << 20n),
        fc.nat({ max: 20 }).map((k) => 1n << BigInt(k)),
      )
      .map((n) => n * PAGE),
    count: fc.bigInt(1n, 9n),
  });
  fc.assert(
    fc.property(anyRun, ({ iova, size, count }) => {
      fc.pre(iova + size * count <= 1n << 64n);
      const unmaps = singly(unmapDomain([{ iova, size, count }]));
      let next = iova;
      for (const [start, length] of unmaps) {
        expect(start).toBe(next);
        expect([length & (length - 1n), start % length]).toEqual([0n, 0n]);
        next = start + length;
        // No piece reaches from one mapping into another.
        expect((start - iova) / size).toBe((next - 1n - iova) / size);
      }
      expect(next).toBe(iova + size * count);
    }),
  );
});

test('a run is unmapped as its mappings are one by one', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 64n), fc.bigInt(1n, 16n), fc.bigInt(1n, 8n), (frame, pages, count) => {
      const [iova, size] = [frame * PAGE, pages * PAGE];
      const oneByOne = Array.from({ length: Number(count) }, (_, i) => ({
        iova: iova + BigInt(i) * size,
        size,
        count: 1n,
      }));
      expect(singly(unmapDomain([{ iova, size, count }]))).toEqual(singly(unmapDomain(oneByOne)));
    }),
  );
});

/** A guest that maps 16 pages from page 16 on at once, and 4 pages from page 64 on one by one. */
const guest: SimulatedMachine = {
  ...type1Machine,
  viommu: { model: 'virtio' },
  tracking: 'off',
  domain: 'dma',
  mappings: [
    { iova: 16n * PAGE, size: 16n * PAGE, count: 1n, gpa: 16n * PAGE },
    { iova: 64n * PAGE, size: PAGE, count: 4n, gpa: 64n * PAGE },
  ],
};
const map = (page: bigint, pages: bigint): GuestEvent => ({
  type: 'map',
  mappings: [{ iova: page * PAGE, size: pages * PAGE, count: 1n, gpa: 0x1000n * PAGE }],
});
const unmap = (page: bigint, pages: bigint): GuestEvent => ({
  type: 'unmap',
  iova: page * PAGE,
  size: pages * PAGE,
});

test.each<[request: string, domain: SimulatedMachine['domain'], GuestEvent[], steps: string[]]>([
  ['a mapping', 'dma', [map(0n, 16n)], ['map 0 16x1']],
  ['a mapping that is not aligned, in pieces', 'dma', [map(3n, 6n)], ['map 3 1x1', 'map 4 4x1', 'map 8 1x1']],
  ['a mapping over another: refused', 'dma', [map(30n, 4n)], []],
  ['a mapping while the device is on system memory: nothing yet', 'identity', [map(0n, 16n)], []],
  ['an unmap of one mapping', 'dma', [unmap(16n, 16n)], ['unmap 16 16x1']],
  ['an unmap of some', 'dma', [unmap(65n, 2n)], ['unmap 65 1x2']],
  ['an unmap around all', 'dma', [unmap(0n, 128n)], ['unmap 16 16x1', 'unmap 64 1x4']],
  ['an unmap of the head of a mapping: refused', 'dma', [unmap(16n, 8n)], []],
  ['an unmap of the tail of a mapping: refused', 'dma', [unmap(24n, 8n)], []],
  ['an unmap of the tail of a mapping and of others: refused', 'dma', [unmap(24n, 64n)], []],
  ['an unmap of the same again: nothing', 'dma', [unmap(16n, 16n), unmap(16n, 16n)], ['unmap 16 16x1']],
  ['a mapping in the place of one that went', 'dma', [unmap(16n, 16n), map(24n, 1n)], ['unmap 16 16x1', 'map 24 1x1']],
  ['all invalidated, which virtio-iommu does not know', 'dma', [{ type: 'invalidate', scope: 'iotlb-global' }], []],
])('the guest asks for %s', (_, domain, events, expected) => {
  const steps = simulate({ ...guest, domain }, events).steps.flatMap((step) =>
    step.kind === 'map' || step.kind === 'unmap'
      ? [`${step.kind} ${step.iova / PAGE} ${step.size / PAGE}x${step.count}`]
      : [],
  );
  expect(steps).toEqual(expected);
});

test('the pieces of a mapping map its memory in order', () => {
  const state = stateIn({ ...guest, mappings: [] }, 'dma');
  expect([...react(state, map(3n, 6n))]).toHaveLength(3);
  expect([...mappingsOf(state.host)].map(({ iova, gpa = 0n }) => [iova / PAGE, gpa / PAGE])).toEqual([
    [3n, 0x1000n],
    [4n, 0x1001n],
    [8n, 0x1005n],
  ]);
});
