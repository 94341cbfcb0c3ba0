import { bitmapBytes, bitmapPages, type Container, planUnmap } from 'migration-preflight/simulator';
import type { Format } from '../format.ts';
import { qemu102, trackedByType1 } from './vtd-unmap-whole.ts';

interface Case {
  page_size: string;
  size: string;
  pages: string;
  bytes: string;
  over_256MiB: boolean;
  ret: number;
  ioctls: number;
  ret_if_alloc_fails: number;
  ret_devtrack: number;
  queries_devtrack: number;
  ret_no_iotlb: number;
  allocs_no_iotlb: number;
}

/** The bitmap of one unmap: its size, and what QEMU's legacy unmap does with it under each kind of tracking. */
export const bitmapSize: Format = {
  file: 'bitmap-size',
  *replay(content) {
    for (const testCase of (content as { cases: Case[] }).cases) yield replayCase(testCase);
  },
};

function replayCase(given: Case): true | string {
  const pageSize = BigInt(given.page_size);
  const size = BigInt(given.size);
  const bytes = bitmapBytes(size, pageSize);
  const plan = (container: Partial<Container>, named = true) =>
    planUnmap({ ...trackedByType1, pageSize, ...container }, qemu102, 'migration', size, named);

  const byType1 = plan({});
  const refusedMemory = plan({ allocatable: 0n });
  const byDevice = plan({ tracker: 'device' });
  const unnamed = plan({}, false);
  const answered: Omit<Case, 'page_size' | 'size'> = {
    pages: `0x${bitmapPages(size, pageSize).toString(16)}`,
    bytes: `0x${bytes.toString(16)}`,
    over_256MiB: bytes > trackedByType1.maxDirtyBitmapSize,
    ret: byType1.failure?.result ?? 0,
    ioctls: byType1.ioctls,
    ret_if_alloc_fails: refusedMemory.failure?.result ?? 0,
    // The vectors' query is a stub that allocates nothing, so that it cannot fail where QEMU's would, for want of a bitmap.
    ret_devtrack: bytes === 0n ? 0 : (byDevice.failure?.result ?? 0),
    queries_devtrack: bytes === 0n ? 1 : byDevice.ioctls - 1,
    ret_no_iotlb: unnamed.failure?.result ?? 0,
    allocs_no_iotlb: unnamed.bitmapBytes === 0n ? 0 : 1,
  };
  for (const [column, value] of Object.entries(answered)) {
    const expected = given[column as keyof Case];
    if (value !== expected) return `${column}: ${value}, not ${expected}`;
  }
  return true;
}
