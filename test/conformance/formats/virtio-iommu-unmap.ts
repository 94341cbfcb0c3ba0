import { unmapVirtioDomain } from 'migration-preflight/simulator';
import { firstDifference } from '../first-difference.ts';
import type { Format } from '../format.ts';

interface Case {
  /** First and last IOVA, inclusive. */
  mappings: [string, string][];
  /** iova, size. */
  ops: [string, string][];
}

/** What virtio-iommu unmaps when an endpoint is detached from a domain. */
export const virtioIommuUnmap: Format = {
  file: 'virtio-iommu-unmap',
  *replay(content) {
    for (const { mappings, ops } of (content as { cases: Case[] }).cases) {
      const runs = mappings.map(([low, high]) => ({
        iova: BigInt(low),
        size: BigInt(high) - BigInt(low) + 1n,
        count: 1n,
      }));
      const unmaps = [...unmapVirtioDomain(runs)].map(({ iova, size, count, translatedAddress }) =>
        [iova, size, count, translatedAddress].join(' '),
      );
      const expected = ops.map(([iova, size]) => [BigInt(iova), BigInt(size), 1n, 0n].join(' '));
      yield firstDifference('unmap', unmaps, expected);
    }
  },
};
