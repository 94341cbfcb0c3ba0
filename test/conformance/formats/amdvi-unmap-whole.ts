import { unmapAmdWhole } from 'migration-preflight/simulator';
import { firstDifference } from '../first-difference.ts';
import type { Format } from '../format.ts';

interface Case {
  /** The notifier, both ends inclusive. */
  start: string;
  end: string;
  /** iova, size. */
  ops: [string, string][];
}

/** What amd-iommu unmaps when a device's domain goes. */
export const amdviUnmapWhole: Format = {
  file: 'amdvi-unmap-whole',
  *replay(content) {
    for (const { start, end, ops } of (content as { cases: Case[] }).cases) {
      const unmaps = [...unmapAmdWhole({ start: BigInt(start), end: BigInt(end) })].map(
        ({ iova, size, count, translatedAddress }) => [iova, size, count, translatedAddress].join(' '),
      );
      const expected = ops.map(([iova, size]) => [BigInt(iova), BigInt(size), 1n, 0n].join(' '));
      yield firstDifference('unmap', unmaps, expected);
    }
  },
};
