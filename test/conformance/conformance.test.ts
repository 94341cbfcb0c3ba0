import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formats } from './formats/index.ts';
import { replayDirectory } from './replay.ts';

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));

/** Cases that pass, and those that cannot be replayed: a file that lost some would pass unnoticed. */
const CASES: Readonly<Record<string, { readonly passed: number; readonly skipped?: number }>> = {
  'amdvi-unmap-whole': { passed: 103 },
  answers: { passed: 190, skipped: 62 },
  'bitmap-size': { passed: 627 },
  'dirty-ranges': { passed: 251 },
  'exceed-limit': { passed: 670 },
  'e1000e-intel-aw48-legacy': { passed: 35, skipped: 13 },
  'flatview-captures': { passed: 19 },
  'hi-mtty-intel-aw48-legacy-tracking': { passed: 16, skipped: 17 },
  'iova-tree-ops': { passed: 260 },
  'mtty-intel-aw48-legacy': { passed: 60, skipped: 24 },
  'mtty-virtioiommu-legacy': { passed: 60, skipped: 24 },
  'q10-mtty-intel-aw48-legacy': { passed: 30, skipped: 14 },
  measured: { passed: 1162, skipped: 139 },
  'ram-layout': { passed: 312 },
  'reason-order': { passed: 40, skipped: 1 },
  'vfio-answers': { passed: 235, skipped: 5 },
  'virtio-iommu-unmap': { passed: 120 },
  'vtd-page-walk': { passed: 200 },
  'vtd-unmap-tracked': { passed: 340 },
  'vtd-unmap-whole': { passed: 372 },
};

const nameOf = (file: string): string => file.replaceAll(/^.*\/|\.json\.gz$/g, '');

describe('what QEMU’s own C, real kernels and real guests did', () => {
  const tallies = [...replayDirectory(fixtures)];

  it('has a fixture for every format', () => {
    expect([...new Set(tallies.map(({ format }) => format))].toSorted()).toEqual(
      formats.map(({ file }) => file).toSorted(),
    );
    expect(tallies.map(({ file }) => nameOf(file)).toSorted()).toEqual(Object.keys(CASES).toSorted());
  });

  it.each(tallies)('$file', ({ file, passed, failures, skipped }) => {
    expect(failures).toEqual([]);
    const skips = [...skipped.values()].reduce((sum, count) => sum + count, 0);
    expect({ passed, skipped: skips }).toEqual({ skipped: 0, ...CASES[nameOf(file)] });
  });
});
