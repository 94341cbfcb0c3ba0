import { describe, expect, test } from 'vitest';
import type { UnmapBehaviours } from '../../../src/simulator/behaviours.ts';
import { type Container, planUnmap, type Tracker, type UnmapPlan } from '../../../src/simulator/container/unmap.ts';

const PAGE = 4096n;
/** A range of 513 pages, whose bitmap has nine words. */
const SIZE = 513n * PAGE;
const BITMAP = 72n;

/** QEMU 7.2, 9.2, 10.2 and 11.0, as far as an unmap tells them apart. */
const qemu72: UnmapBehaviours = {
  domainUnmap: 'whole',
  bitmapGate: 'saving-and-running',
  iommufdUnmap: 'absent',
  regionDelBitmap: 'none',
};
const qemu92: UnmapBehaviours = { ...qemu72, bitmapGate: 'devices-running', iommufdUnmap: 'plain' };
const qemu102: UnmapBehaviours = { ...qemu92, bitmapGate: 'tracking-started' };
const qemu110: UnmapBehaviours = { ...qemu102, iommufdUnmap: 'query-first' };

const tracked = (tracker: Tracker, more: Partial<Container> = {}): Container => ({
  backend: 'legacy',
  tracker,
  devices: 2,
  trackingHwpts: 3,
  pageSize: PAGE,
  maxDirtyBitmapSize: 1n << 28n,
  allocatable: null,
  ...more,
});

const PLAIN: UnmapPlan = { bitmapBytes: 0n, ioctls: 1, dirtyBits: 'dropped', bitmapInUnmap: false };
const IN_UNMAP: UnmapPlan = { bitmapBytes: BITMAP, ioctls: 1, dirtyBits: 'read', bitmapInUnmap: true };
const queried = (queries: number): UnmapPlan => ({ ...IN_UNMAP, ioctls: 1 + queries, bitmapInUnmap: false });

describe('an unmap that names an entry while a migration runs', () => {
  const iommufd = { backend: 'iommufd' } as const;

  test.each<[who: string, container: Container, plans: readonly UnmapPlan[]]>([
    ['type1', tracked('type1'), [IN_UNMAP, IN_UNMAP, IN_UNMAP, IN_UNMAP]],
    ['each of two devices', tracked('device'), [PLAIN, queried(2), queried(2), queried(2)]],
    ['nobody', tracked('none'), [PLAIN, { ...PLAIN, dirtyBits: 'all-marked' }, PLAIN, PLAIN]],
    ['two devices on iommufd', tracked('device', iommufd), [PLAIN, PLAIN, queried(2)]],
    ['three page tables on iommufd', tracked('iommu', iommufd), [PLAIN, PLAIN, queried(3)]],
  ])('tracked by %s, in 7.2 (but for iommufd), 9.2, 10.2 and 11.0', (_, container, plans) => {
    const releases = [qemu72, qemu92, qemu102, qemu110].slice(-plans.length);
    expect(releases.map((qemu) => planUnmap(container, qemu, 'migration', SIZE, true))).toEqual(plans);
  });

  test('has no bitmap when it names none, or when nothing is tracked; a dirty-rate measurement counts from 10.0 on', () => {
    const plans = (tracking: 'off' | 'dirty-rate' | 'migration', named: boolean): UnmapPlan[] =>
      [qemu92, qemu102].map((qemu) => planUnmap(tracked('type1'), qemu, tracking, SIZE, named));
    expect(plans('migration', false)).toEqual([PLAIN, PLAIN]);
    expect(plans('off', true)).toEqual([PLAIN, PLAIN]);
    expect(plans('dirty-rate', true)).toEqual([PLAIN, IN_UNMAP]);
  });
});

describe('a bitmap that is not to be had', () => {
  const noMemory = { result: -12, errno: 'ENOMEM', refusedBy: 'allocator' } as const;
  const tooBig = { result: -7, errno: 'E2BIG', refusedBy: 'qemu' } as const;
  const kept = { ioctls: 0, dirtyBits: 'dropped', bitmapInUnmap: true } as const;

  test.each<[limit: string, container: Container, plan: UnmapPlan]>([
    ['all that the host grants', tracked('type1', { allocatable: BITMAP }), IN_UNMAP],
    [
      'a byte more than it grants: nothing is unmapped',
      tracked('type1', { allocatable: BITMAP - 1n }),
      { ...kept, bitmapBytes: 0n, failure: noMemory },
    ],
    ['all that type1 takes', tracked('type1', { maxDirtyBitmapSize: BITMAP }), IN_UNMAP],
    [
      'a byte more than it takes: allocated, and nothing is unmapped',
      tracked('type1', { maxDirtyBitmapSize: BITMAP - 1n }),
      { ...kept, bitmapBytes: BITMAP, failure: tooBig },
    ],
    ['all that the host grants, for devices', tracked('device', { allocatable: BITMAP }), queried(2)],
    [
      'a byte more, for devices: unmapped all the same',
      tracked('device', { allocatable: BITMAP - 1n }),
      { ...PLAIN, failure: noMemory },
    ],
    ['a byte more than type1 takes, for devices', tracked('device', { maxDirtyBitmapSize: BITMAP - 1n }), queried(2)],
  ])('%s', (_, container, plan) => {
    expect(planUnmap(container, qemu110, 'migration', SIZE, true)).toEqual(plan);
  });

  test('one of no byte, for a range within a page of 2^64, is a null pointer and reads as refused', () => {
    const plan = planUnmap(tracked('type1'), qemu110, 'migration', (1n << 64n) - 1n, true);
    expect(plan).toEqual({ ...kept, bitmapBytes: 0n, failure: noMemory });
  });
});
