import { describe, expect, it } from 'vitest';
import type { DecidedTransition } from '../../src/evaluation/decision.ts';
import { container, decided, type Given, intel48, maps } from './decided.ts';

const KIB = 1024;
const GIB = KIB * KIB * KIB;
const TIB = KIB * GIB;

const virtio = { model: 'virtio' };
const mappings = [
  { iova: '0x1000', pageSize: '4KiB', count: 3, gpa: '0x1000' },
  { iova: '0x40000000', pageSize: '2MiB', count: 1, gpa: '0x40000000' },
];

const transition = (given: Given, from: string, to: string): DecidedTransition | undefined =>
  container(given).transitions.find((each) => each.from === from && each.to === to);

describe('a switch behind virtio-iommu', () => {
  // As observed in 11.1.3: each mapping, then everything at once, then the sections of memory that it saw in between.
  it('costs what the guest maps, exactly where that is known', () => {
    const cost = transition(maps(mappings, virtio), 'dma', 'blocking');
    expect(cost).toMatchObject({ strategy: 'per-mapping', unmapCalls: 4 + 1 + 7, ioctls: 12, bitmaps: 4 + 4 });
    expect(cost?.atLeast).toBeUndefined();
    expect(transition(maps(mappings, virtio), 'dma', 'identity')).toMatchObject({ unmapCalls: 4 + 1, bitmaps: 4 });
  });

  it('takes everything away in two halves until 10.1', () => {
    const older = { ...maps(mappings, virtio), '/source/qemu': '10.1' };
    expect(transition(older, 'dma', 'identity')).toMatchObject({ unmapCalls: 4 + 2, ioctls: 6 });
  });

  it('is bounded where the mappings are not known, each as large as the guest’s memory at most', () => {
    const given = { '/vm/viommu': virtio, '/vm/memory': '12TiB' };
    expect(transition(given, 'dma', 'identity')).toMatchObject({
      unmapCalls: 65_535 + 1,
      largestBitmapBytes: (8 * TIB) / 4096 / 8,
      failures: 0,
      atLeast: { unmapCalls: 1, bitmaps: 0 },
    });
    expect(decided(given).assumptions).toContain(
      'dev0, dma to identity: largestBitmapBytes at most: the guest maps 32 x 8TiB from 0x0',
    );
  });

  it('can fail for a mapping over 8 TiB', () => {
    const cost = transition({ '/vm/viommu': virtio, '/vm/memory': '16TiB' }, 'dma', 'identity');
    expect(cost).toMatchObject({
      failures: 16,
      firstFailure: { size: '0x100000000000', errno: 'E2BIG', refusedBy: 'qemu' },
      atLeast: { failures: 0 },
    });
  });
});

describe('a switch behind an accelerated smmuv3', () => {
  const smmu = { '/vm/machine': 'virt', '/vm/vfio/0/backend': 'iommufd' };

  it('unmaps nothing', () => {
    const { transitions } = container({ ...smmu, '/vm/viommu': { model: 'smmuv3', accel: true } });
    expect(transitions).toHaveLength(5);
    for (const cost of transitions) {
      expect(cost).toMatchObject({ strategy: 'none', unmapCalls: 0, ioctls: 0, bitmaps: 0, leftMappedBytes: 0 });
      expect(cost.atLeast).toBeUndefined();
    }
  });

  it('is not to be had without accel: QEMU takes no such device', () => {
    expect(container({ ...smmu, '/vm/viommu': { model: 'smmuv3' } }).transitions).toEqual([]);
  });
});

describe('a switch away from identity', () => {
  const identity = { '/vm/viommu': intel48, '/vm/vfio/0/guestDomain': 'identity' };

  it('takes the sections away, BARs among them, whose dirty bits nobody misses', () => {
    const bar = { '/vm/vfio/0/pciBars': [{ gpa: '0x380000000000', size: '1GiB' }] };
    const [without, withBar] = [
      transition(identity, 'identity', 'dma'),
      transition({ ...identity, ...bar }, 'identity', 'dma'),
    ];
    expect(withBar?.unmapCalls).toBe((without?.unmapCalls ?? 0) + 1);
    expect(withBar?.dirtyBytesLost).toBe(without?.dirtyBytesLost);
  });

  it('loses the dirty bits of virtio-mem, whose unmap names no mapping', () => {
    const plugged = { '/vm/hotplugged': [{ model: 'virtio-mem', size: '4GiB', blockSize: '2MiB' }] };
    const lost = (given: Given): number =>
      transition({ ...identity, ...given }, 'identity', 'dma')?.dirtyBytesLost ?? 0;
    expect(lost(plugged) - lost({})).toBe(4 * GIB);
    expect(transition({ ...identity, ...plugged }, 'identity', 'dma')).toMatchObject({ unmapCalls: 8 });
  });
});
