import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ListenerSection, vfioRange } from '../../src/simulator/listener-section.ts';

const PAGE = 0x1000n;

const ram = (gpa: bigint, size: bigint, differing: Partial<ListenerSection> = {}): ListenerSection => ({
  gpa,
  size,
  regionOffset: gpa % PAGE,
  kind: 'ram',
  readOnly: false,
  ...differing,
});

test.each<[string, ListenerSection, [iova: bigint, size: bigint] | undefined]>([
  ['RAM', ram(0x10_0000n, 0x7ff0_0000n), [0x10_0000n, 0x7ff0_0000n]],
  ['ROM', ram(0xfffc_0000n, 0x4_0000n, { readOnly: true }), [0xfffc_0000n, 0x4_0000n]],
  ['the whole space of a vIOMMU', ram(0n, 1n << 64n, { kind: 'iommu' }), [0n, 1n << 64n]],
  [
    'the upper section of intel-iommu',
    ram(0xfef0_0000n, (1n << 64n) - 0xfef0_0000n, { kind: 'iommu' }),
    [0xfef0_0000n, (1n << 64n) - 0xfef0_0000n],
  ],
  ['MMIO', ram(0xfec0_0000n, PAGE, { kind: 'other' }), undefined],
  ["a confidential guest's private memory", ram(0n, PAGE, { protected: true }), undefined],
  ['a BAR being sized, in the upper half', ram(1n << 63n, PAGE, { vfioPci: true }), undefined],
  ['a BAR just below the upper half', ram((1n << 63n) - PAGE, PAGE, { vfioPci: true }), [(1n << 63n) - PAGE, PAGE]],
  ['the page that half a page at either end leaves', ram(0x1800n, 0x2000n), [0x2000n, PAGE]],
  ['less than a page', ram(0n, 0x800n), undefined],
  ['a page across a page border', ram(0x800n, PAGE), undefined],
  ["a region out of step with the host's pages", ram(0x1000n, 0x4000n, { regionOffset: 0x200n }), undefined],
])('VFIO handles of %s', (_, section, expected) => {
  const range = vfioRange(section, PAGE);
  expect(range && [range.iova, range.size]).toEqual(expected);
});

test('VFIO handles the pages that lie wholly inside', () => {
  const anySection = fc.record({
    gpa: fc.bigInt(0n, 0x8000n),
    size: fc.bigInt(1n, 0x8000n),
    shift: fc.constantFrom(0n, 0n, 8n),
  });
  fc.assert(
    fc.property(anySection, fc.constantFrom(0x400n, 0x1000n), ({ gpa, size, shift }, pageSize) => {
      const pages: bigint[] = [];
      for (let page = 0n; page < 0x10000n; page += pageSize) {
        if (page >= gpa && page + pageSize <= gpa + size) pages.push(page);
      }
      const range = vfioRange(ram(gpa, size, { regionOffset: (gpa + shift) % pageSize }), pageSize);
      const [first] = pages;
      const expected =
        first === undefined || shift > 0n ? undefined : { iova: first, size: BigInt(pages.length) * pageSize };
      expect(range).toEqual(expected);
    }),
  );
});
