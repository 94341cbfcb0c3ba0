import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ADDRESS_MAX, ADDRESS_SPACE } from '../../../src/simulator/uint64.ts';
import { unmapWhole } from '../../../src/simulator/viommu/amd.ts';
import { intelNotifiers } from '../../../src/simulator/viommu/sections.ts';
import { amdviUnmapWhole } from '../../conformance/formats/amdvi-unmap-whole.ts';

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
