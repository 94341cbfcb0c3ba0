import { describe, expect, it } from 'vitest';
import { container, decided, devices, type Given, intel48, maps } from './decided.ts';

const KIB = 1024;
const MIB = KIB * KIB;

const mlx5 = (dmaLoggingAddressSpace: object): Given => ({
  '/source/devices/dev0/dmaLogging': true,
  '/source/devices/dev0/dmaLoggingAddressSpace': dmaLoggingAddressSpace,
});
const bar = [{ gpa: '0x380000000000', size: '256MiB' }];

/** 16 GiB on q35, without holes: 2 GiB below 4 GiB, 14 GiB above. */
const below4g = { iova: '0x0', size: '0x80000000' };
const above4g = { iova: '0x100000000', size: '0x380000000' };

describe('what starting dirty tracking comes to', () => {
  it.each<[name: string, given: Given, expected: object]>([
    [
      // 195 pages take a word more than three, and a spare one; of 64 pages and less, one and a spare one.
      'type1 keeps a bitmap of each mapping, ROMs included',
      {},
      { ok: true, kernelBytes: 64 + 4 * 16 + 64 * KIB + 512 * KIB, loggingRanges: [] },
    ],
    [
      '1 TiB: 1022 GiB lie above 4 GiB',
      { '/vm/memory': '1TiB' },
      { ok: true, kernelBytes: 64 + 4 * 16 + 64 * KIB + (32 * MIB + 64 * KIB) },
    ],
    [
      'every mapping of 2 MiB takes 96 bytes',
      maps([{ iova: '0x100000000', pageSize: '2MiB', count: 65_535 }]),
      { ok: true, kernelBytes: 6_291_360 },
    ],
    [
      'a mapping of 2^31 pages',
      { '/source/qemu': '10.2.2', '/vm/memory': '9TiB' },
      { ok: false, kernelBytes: 0, error: { errno: 'EINVAL', refusedBy: 'kernel' } },
    ],
    [
      'the same in two backends',
      {
        '/source/qemu': '10.2.2',
        '/vm/memory': '9TiB',
        '/vm/memoryBackends': [{ size: '4TiB' }, { size: '5TiB' }],
      },
      { ok: true },
    ],
    [
      'a backend that is itself too large',
      {
        '/source/qemu': '10.2.2',
        '/vm/memory': '9TiB',
        '/vm/memoryBackends': [{ size: '1TiB' }, { size: '8TiB' }],
      },
      { ok: false, error: { errno: 'EINVAL' } },
    ],
    [
      'a virtio-mem of 8 TiB, which is mapped block by block',
      { '/vm/hotplugged': [{ model: 'virtio-mem', size: '8TiB', blockSize: '1GiB' }] },
      { ok: true },
    ],
    [
      'a virtio-iommu mapping of 2^31 pages',
      maps([{ iova: '0x0', pageSize: '8TiB', count: 1 }], { model: 'virtio' }),
      { ok: false, error: { errno: 'EINVAL', refusedBy: 'kernel' } },
    ],
    [
      'that is up to the guest where its domain is not known',
      { '/vm/viommu': intel48, '/vm/memory': '9TiB' },
      { ok: 'unknown', error: { errno: 'EINVAL' }, atLeast: { kernelBytes: 0 } },
    ],
    [
      'devices are told to log two ranges',
      { '/source/devices/dev0/dmaLogging': true },
      { ok: true, kernelBytes: 0, loggingRanges: [below4g, above4g] },
    ],
    [
      'and a third for their BARs above 4 GiB',
      { '/source/devices/dev0/dmaLogging': true, '/vm/vfio/0/pciBars': bar },
      { loggingRanges: [below4g, above4g, { iova: '0x380000000000', size: '0x10000000' }] },
    ],
    [
      'until 8.1 BARs widen the range of memory',
      { '/source/qemu': '8.1', '/source/devices/dev0/dmaLogging': true, '/vm/vfio/0/pciBars': bar },
      // Until 10.2 the BIOS below 4 GiB is in the range of what lies below.
      {
        loggingRanges: [
          { iova: '0x0', size: '0x100000000' },
          { iova: '0x100000000', size: '0x37ff10000000' },
        ],
      },
    ],
    ['the device has just the bits for it', mlx5({ minBits: 12, maxBits: 34 }), { ok: true }],
    [
      'the device has one bit too few',
      mlx5({ minBits: 12, maxBits: 33 }),
      { ok: false, loggingRanges: [below4g, above4g], error: { errno: 'EOPNOTSUPP', refusedBy: 'kernel' } },
    ],
    [
      'the device has too few ranges, and logs the gap with them',
      mlx5({ minBits: 12, maxBits: 34, maxRanges: 1 }),
      { ok: false, error: { errno: 'EOPNOTSUPP' } },
    ],
    [
      'the IOMMU tracks in its page tables',
      { '/vm/vfio/0/backend': 'iommufd' },
      { ok: true, kernelBytes: 0, loggingRanges: [] },
    ],
    [
      'nobody tracks',
      { '/vm/vfio/0/backend': 'iommufd', '/source/iommu/dirtyTracking': false },
      { ok: true, kernelBytes: 0 },
    ],
  ])('%s', (_name, given, expected) => {
    expect(container(given).trackingStart).toMatchObject(expected);
  });

  it('a device of another container is told of the BAR as of memory', () => {
    const { containers } = decided({
      ...devices([{ pciBars: bar }, { backend: 'iommufd' }], true),
    });
    const ranges = containers.map(({ trackingStart }) => trackingStart?.loggingRanges?.length);
    expect(ranges).toEqual([3, 2]);
  });
});
