import {
  type Container,
  planUnmap,
  TYPE1_BITMAP_MAX,
  type UnmapBehaviours,
  unmapWhole,
} from 'migration-preflight/simulator';
import { firstDifference } from '../first-difference.ts';
import type { Format } from '../format.ts';

interface Case {
  aw: number;
  start: string;
  end: string;
  ops: [iova: string, size: string, result: number][];
}

/** QEMU 10.2, its legacy container tracking by type1 with 4 KiB pages, and an allocator that refuses nothing. */
export const trackedByType1: Container = {
  backend: 'legacy',
  tracker: 'type1',
  devices: 1,
  trackingHwpts: 0,
  pageSize: 4096n,
  maxDirtyBitmapSize: TYPE1_BITMAP_MAX,
  allocatable: null,
};
export const qemu102: UnmapBehaviours = {
  domainUnmap: 'whole',
  bitmapGate: 'tracking-started',
  iommufdUnmap: 'plain',
  regionDelBitmap: 'none',
};

const hex = (value: bigint): string => `0x${value.toString(16)}`;

/** Every unmap of a notifier taken whole, in order, and what QEMU's legacy unmap returns for it while tracking is on. */
export const vtdUnmapWhole: Format = {
  file: 'vtd-unmap-whole',
  *replay(content) {
    for (const { aw, start, end, ops } of (content as { cases: Case[] }).cases) {
      const actual: string[] = [];
      for (const { iova, size } of unmapWhole({ start: BigInt(start), end: BigInt(end) }, aw)) {
        // The vectors' allocator grants bitmaps that no host has memory for, and the kernel is a stub that answers 0.
        const { failure } = planUnmap(trackedByType1, qemu102, 'migration', size, true);
        actual.push(`${hex(iova)} ${hex(size)} ${failure?.result ?? 0}`);
      }
      const expected = ops.map(([iova, size, result]) => `${iova} ${size} ${result}`);
      yield firstDifference('unmap', actual, expected);
    }
  },
};
