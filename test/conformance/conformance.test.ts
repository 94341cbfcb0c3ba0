import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formats } from './formats/index.ts';
import { replayDirectory } from './replay.ts';

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));

/** How many cases of each file there are; a file that lost some would pass unnoticed. */
const CASES: Readonly<Record<string, number>> = {
  'amdvi-unmap-whole': 103,
  'bitmap-size': 627,
  'dirty-ranges': 251,
  'exceed-limit': 670,
  'flatview-captures': 19,
  'iova-tree-ops': 260,
  'ram-layout': 312,
  'virtio-iommu-unmap': 120,
  'vtd-page-walk': 200,
  'vtd-unmap-tracked': 340,
  'vtd-unmap-whole': 372,
};

describe('what QEMU’s own C answered', () => {
  const tallies = [...replayDirectory(fixtures)];

  it('has a fixture for every format', () => {
    expect(tallies.map(({ file }) => file.replace(/^.*\/|\.json\.gz$/g, '')).toSorted()).toEqual(
      formats.map(({ file }) => file).toSorted(),
    );
  });

  it.each(tallies)('$file', ({ file, passed, failures, skipped }) => {
    expect(failures).toEqual([]);
    expect(skipped.size).toBe(0);
    expect(passed).toBe(CASES[file.replace(/^.*\/|\.json\.gz$/g, '')]);
  });
});
