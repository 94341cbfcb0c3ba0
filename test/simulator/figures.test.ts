import { describe, expect, it } from 'vitest';
import { figuresOf, type Step } from '../../src/simulator/index.ts';

type Of<Kind extends Step['kind']> = Extract<Step, { kind: Kind }>;

const unmap = (given: Partial<Of<'unmap'>>): Step => ({
  kind: 'unmap',
  cause: 'viommu',
  iova: 0n,
  size: 4096n,
  count: 1n,
  flags: 0,
  bitmapBytes: 0n,
  ioctls: 1,
  unmappedBytes: 0n,
  dirtyBytesLost: 0n,
  ...given,
});
const query = (given: Partial<Of<'query'>>): Step => ({
  kind: 'query',
  iova: 0n,
  size: 4096n,
  count: 1n,
  bitmapBytes: 8n,
  ioctls: 1,
  dirtyBytes: 0n,
  dirtyBytesAtMost: 0n,
  ...given,
});
const start = (kernelBytes: bigint): Step => ({
  kind: 'tracking-start',
  tracker: 'type1',
  ioctls: 1,
  ranges: [],
  kernelBytes,
});
const failure = { result: -7, errno: 'E2BIG', refusedBy: 'qemu' } as const;
const of = (...steps: Step[]) => figuresOf({ steps, leftMapped: [] });

describe('what steps cost together', () => {
  it('each step counts as often as it was carried out', () => {
    expect(
      of(
        unmap({ count: 3n, ioctls: 2, bitmapBytes: 16n }),
        { kind: 'map', cause: 'section', iova: 0n, size: 4096n, count: 5n, readOnly: false },
        query({ count: 7n, ioctls: 2 }),
        start(0n),
        { kind: 'tracking-stop', ioctls: 1 },
      ),
    ).toMatchObject({
      unmapCalls: 3n,
      ioctls: 6n,
      bitmaps: 3n,
      bitmapBytesAllocated: 48n,
      mapCalls: 5n,
      queries: 7n,
      queryBitmapBytes: 56n,
      allIoctls: 6n + 5n + 14n + 2n,
    });
  });

  it('the largest bitmap counts, of unmaps and of all, whichever comes first', () => {
    const [small, large] = [unmap({ bitmapBytes: 16n }), unmap({ bitmapBytes: 64n })];
    for (const steps of [
      [small, large],
      [large, small],
    ]) {
      expect(of(...steps, query({ bitmapBytes: 32n }))).toMatchObject({
        largestBitmapBytes: 64n,
        peakBitmapBytes: 64n,
      });
      expect(of(...steps, query({ bitmapBytes: 128n }))).toMatchObject({
        largestBitmapBytes: 64n,
        peakBitmapBytes: 128n,
      });
    }
  });

  it('of tracking that starts twice the larger memory counts', () => {
    expect(of(start(64n), start(16n)).trackingKernelBytes).toBe(64n);
    expect(of(start(16n), start(64n)).trackingKernelBytes).toBe(64n);
  });

  it('a migration fails of the first failure that it hears of, which need not be the first', () => {
    const printed = unmap({ iova: 0x1000n, failure, reaches: 'printed' });
    const heard = unmap({ iova: 0x2000n, failure, reaches: 'migration' });
    expect(of(printed, heard)).toMatchObject({ failures: 2n, firstFailure: printed, fatal: heard });
    expect(of(printed).fatal).toBeNull();
    expect(of(unmap({})).firstFailure).toBeNull();
  });
});
