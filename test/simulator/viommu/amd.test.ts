import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { GuestEvent } from '../../../src/simulator/events.ts';
import type { MappingRun } from '../../../src/simulator/mapping-runs.ts';
import { simulate, type SimulatedMachine } from '../../../src/simulator/simulate.ts';
import { ADDRESS_MAX, ADDRESS_SPACE } from '../../../src/simulator/uint64.ts';
import { unmapWhole } from '../../../src/simulator/viommu/amd.ts';
import { intelNotifiers } from '../../../src/simulator/viommu/sections.ts';
import { amdviUnmapWhole } from '../../conformance/formats/amdvi-unmap-whole.ts';
import { type1Machine } from '../type1-machine.ts';

const PAGE = 0x1000n;
/** What one type1 dirty bitmap of 256 MiB covers. */
const TYPE1_LIMIT = 1n << 43n;

test("every notifier is unmapped as QEMU's own code unmaps it", () => {
  const fixture = readFileSync(new URL('../../fixtures/vectors/amdvi-unmap-whole.json.gz', import.meta.url));
  const verdicts = [...amdviUnmapWhole.replay(JSON.parse(gunzipSync(fixture).toString()))];
  expect(verdicts).toHaveLength(103);
  expect(verdicts.filter((verdict) => verdict !== true)).toEqual([]);
});

test('the two notifiers beside the interrupt window take 34 and 10 unmaps, 20 of them too large for type1', () => {
  const unmaps = intelNotifiers.map((notifier) => [...unmapWhole(notifier)]);
  expect(unmaps.map(({ length }) => length)).toEqual([34, 10]);
  const tooLarge = unmaps.flat().filter(({ size }) => size > TYPE1_LIMIT);
  expect(tooLarge).toHaveLength(20);
  expect(tooLarge[0]).toEqual({ iova: 1n << 44n, size: 1n << 44n, count: 1n, translatedAddress: 0n });
  expect(tooLarge.at(-1)?.iova).toBe(1n << 63n);
});

test.each<[string, bigint, bigint, [iova: bigint, size: bigint][]]>([
  ['all 2^64 bytes: their length wraps to 0', 0n, ADDRESS_MAX, []],
  [
    'all but the last page',
    0n,
    ADDRESS_MAX - PAGE,
    Array.from({ length: 52 }, (_, i) => [
      ADDRESS_SPACE - (ADDRESS_SPACE >> BigInt(i)),
      ADDRESS_SPACE >> BigInt(i + 1),
    ]),
  ],
  ['one page', PAGE, 2n * PAGE - 1n, [[PAGE, PAGE]]],
  [
    'two pages, one on each side of the middle',
    (1n << 63n) - PAGE,
    (1n << 63n) + PAGE - 1n,
    [
      [(1n << 63n) - PAGE, PAGE],
      [1n << 63n, PAGE],
    ],
  ],
])('%s', (_, start, end, unmaps) => {
  expect(Array.from(unmapWhole({ start, end }), ({ iova, size }) => [iova, size])).toEqual(unmaps);
});

test('a notifier goes in naturally aligned powers of two that lie end to end', () => {
  const anyFrame = fc.bigInt(0n, (1n << 52n) - 1n);
  fc.assert(
    fc.property(anyFrame, anyFrame, (a, b) => {
      const [start, end] = [(a < b ? a : b) * PAGE, (a < b ? b : a) * PAGE + PAGE - 1n];
      fc.pre(start > 0n || end < ADDRESS_MAX);
      let next = start;
      for (const { iova, size, count, translatedAddress } of unmapWhole({ start, end })) {
        expect([iova, count, translatedAddress]).toEqual([next, 1n, 0n]);
        expect([size & (size - 1n), iova % size]).toEqual([0n, 0n]);
        next = iova + size;
      }
      expect(next).toBe(end + 1n);
    }),
  );
});

/** A guest whose table maps two pages with one between them, and 2 MiB. */
const guest: SimulatedMachine = {
  ...type1Machine,
  viommu: { model: 'amd' },
  domain: 'dma',
  mappings: [
    { iova: 0n, size: PAGE, count: 1n, gpa: 0n },
    { iova: 2n * PAGE, size: PAGE, count: 1n, gpa: 2n * PAGE },
    { iova: 512n * PAGE, size: 512n * PAGE, count: 1n, gpa: 512n * PAGE },
  ],
  sections: [{ gpa: 0n, size: 1n << 31n, readOnly: false, ramAddress: 0n }],
};

const run = (page: bigint, pages: bigint, count: bigint, gpa = page): MappingRun => ({
  iova: page * PAGE,
  size: pages * PAGE,
  count,
  gpa: gpa * PAGE,
});

test.each<[event: string, domain: SimulatedMachine['domain'], GuestEvent[], steps: string[]]>([
  ['maps a hole', 'dma', [{ type: 'map', mappings: [run(1n, 1n, 1n)] }], ['map 1 1x1']],
  [
    'maps a hole, and anew what lies beside it',
    'dma',
    [{ type: 'map', mappings: [run(0n, 1n, 1n), run(1n, 1n, 1n), run(2n, 1n, 1n)] }],
    ['map 1 1x1'],
  ],
  [
    'maps a run around what lies there already: only what is between',
    'dma',
    [{ type: 'map', mappings: [run(0n, 1n, 4n)] }],
    ['map 1 1x1', 'map 3 1x1'],
  ],
  [
    'maps a run elsewhere, around what lies there already',
    'dma',
    [{ type: 'map', mappings: [run(0n, 1n, 3n, 8n)] }],
    ['map 0 1x1 EEXIST', 'map 1 1x1', 'map 2 1x1 EEXIST'],
  ],
  [
    'invalidates a page within a run that it mapped elsewhere: that one is sent again',
    'dma',
    [
      { type: 'map', mappings: [run(4n, 1n, 8n)] },
      { type: 'map', mappings: [run(4n, 1n, 8n, 100n)] },
      { type: 'invalidate', scope: 'pages', iova: 6n * PAGE, size: PAGE },
    ],
    ['map 4 1x8', 'map 4 1x8 EEXIST', 'map 6 1x1 EEXIST'],
  ],
  ['maps the same again', 'dma', [{ type: 'map', mappings: [run(512n, 512n, 1n)] }], []],
  [
    'maps something else in its place: sent, refused, and not recorded',
    'dma',
    [
      { type: 'map', mappings: [run(512n, 512n, 1n, 1024n)] },
      { type: 'invalidate', scope: 'pages', iova: 512n * PAGE, size: PAGE },
    ],
    ['map 512 512x1 EEXIST', 'map 512 512x1 EEXIST'],
  ],
  ['unmaps a page: what was mapped, not the hole', 'dma', [{ type: 'unmap', iova: 0n, size: PAGE }], ['unmap 0 1x1']],
  [
    'unmaps all: each by its size',
    'dma',
    [{ type: 'unmap', iova: 0n, size: 1n << 30n }],
    ['unmap 0 1x1', 'unmap 2 1x1', 'unmap 512 512x1'],
  ],
  [
    'unmaps a page and maps it elsewhere',
    'dma',
    [
      { type: 'unmap', iova: 0n, size: PAGE },
      { type: 'map', mappings: [run(0n, 1n, 1n, 9n)] },
    ],
    ['unmap 0 1x1', 'map 0 1x1'],
  ],
  ['maps above its 48 bits', 'dma', [{ type: 'map', mappings: [run(1n << 36n, 1n, 1n)] }], []],
  ['maps while it is blocked', 'blocking', [{ type: 'map', mappings: [run(1n, 1n, 1n)] }], []],
  [
    'invalidates all while the device is on system memory',
    'identity',
    [{ type: 'invalidate', scope: 'context-global' }],
    [],
  ],
  ['unmaps while the device is on system memory', 'identity', [{ type: 'unmap', iova: 0n, size: PAGE }], []],
])('the guest %s', (_, domain, events, expected) => {
  const steps = simulate({ ...guest, domain }, events).steps.map((step) =>
    step.kind === 'map' || step.kind === 'unmap'
      ? `${step.kind} ${step.iova / PAGE} ${step.size / PAGE}x${step.count}${step.failure ? ` ${step.failure.errno}` : ''}`
      : step.kind,
  );
  expect(steps).toEqual(expected);
});
