import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { container, decided, devices, type Given, intel48, maps } from './decided.ts';

const KIB = 1024;
const MIB = KIB * KIB;
const GIB = KIB * MIB;

/** What QEMU 11 asks for of 16 GiB on q35: not for ROMs. [0, 0xc3000), [0xe8000, 0xf0000), [1 MiB, 2 GiB), [4 GiB, 18 GiB). */
const asked = [0xc_3000, 0x8000, 2 * GIB - MIB, 14 * GIB];
const bitmaps = asked.map((bytes) => Math.ceil(bytes / 4096 / 64) * 8);
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
const memory = { queries: 4, bitmapBytes: sum(bitmaps), largestBitmapBytes: 14 * 32 * KIB };

const none = { queries: 0, ioctls: 0, bitmapBytes: 0, largestBitmapBytes: 0, dirtyBytesPerPass: 0 };

describe('one pass over the dirty bitmaps', () => {
  it.each<[name: string, given: Given, sync: object]>([
    ['type1 calls all that it is asked for dirty', {}, { ...memory, ioctls: 4, dirtyBytesPerPass: sum(asked) }],
    [
      'a device says what it wrote: nothing, or all',
      { '/source/devices/dev0/dmaLogging': true },
      {
        ...memory,
        ioctls: 4,
        dirtyBytesPerPass: sum(asked),
        atLeast: { ...memory, ioctls: 4, dirtyBytesPerPass: 0 },
      },
    ],
    [
      'two devices are asked one after the other, into one bitmap',
      devices([{}, {}], true),
      { ...memory, ioctls: 8, atLeast: { ...memory, ioctls: 8, dirtyBytesPerPass: 0 } },
    ],
    [
      'an IOMMU says what was written',
      { '/vm/vfio/0/backend': 'iommufd' },
      { ...memory, ioctls: 4, atLeast: { ...memory, ioctls: 4, dirtyBytesPerPass: 0 } },
    ],
    [
      'of an mdev alone type1 knows what its driver pinned',
      { '/vm/vfio/0/type': 'mdev' },
      { ...memory, ioctls: 4, dirtyBytesPerPass: sum(asked), atLeast: { ...memory, ioctls: 4, dirtyBytesPerPass: 0 } },
    ],
    [
      'an mdev beside a device with an IOMMU: all is dirty',
      devices([{}, { type: 'mdev' }]),
      { ...memory, ioctls: 4, dirtyBytesPerPass: sum(asked) },
    ],
    [
      'nobody tracks: since 10.0 nothing is asked',
      { '/vm/vfio/0/backend': 'iommufd', '/source/iommu/dirtyTracking': false },
      none,
    ],
    [
      'nobody tracks: until 9.2 all is marked dirty, ROMs too',
      { '/vm/vfio/0/backend': 'iommufd', '/source/iommu/dirtyTracking': false, '/source/qemu': '9.1' },
      // All 16 GiB, of which the shadowed ROMs are read-only, and the BIOS once more below 4 GiB.
      { queries: 7, ioctls: 0, bitmapBytes: 0, largestBitmapBytes: 0, dirtyBytesPerPass: 16 * GIB + 256 * KIB },
    ],
    [
      'until 10.2 ROMs are asked for',
      { '/source/qemu': '10.2.2' },
      { queries: 7, ioctls: 7, dirtyBytesPerPass: 16 * GIB + 256 * KIB },
    ],
    ['nothing is asked where tracking did not start', { '/source/qemu': '10.2.2', '/vm/memory': '9TiB' }, none],
    ['a guest that blocks the device', { '/vm/viommu': intel48, '/vm/vfio/0/guestDomain': 'blocking' }, none],
    [
      'a guest that leaves its memory to the device',
      { '/vm/viommu': intel48, '/vm/vfio/0/guestDomain': 'identity' },
      { ...memory, ioctls: 4, dirtyBytesPerPass: sum(asked) },
    ],
    [
      'each mapping behind a vIOMMU',
      maps([
        { iova: '0x1000', pageSize: '4KiB', count: 3 },
        { iova: '0x40000000', pageSize: '1GiB', count: 1 },
      ]),
      {
        queries: 4,
        ioctls: 4,
        bitmapBytes: 3 * 8 + 32 * KIB,
        largestBitmapBytes: 32 * KIB,
        dirtyBytesPerPass: 3 * 4096 + GIB,
      },
    ],
    [
      'of virtio-iommu each power of two',
      maps([{ iova: '0x100000000', pageSize: '4GiB', count: 2 }], { model: 'virtio' }),
      { queries: 2, bitmapBytes: 2 * 128 * KIB, dirtyBytesPerPass: 8 * GIB },
    ],
    [
      'of an accelerated smmuv3 sections, whatever the guest maps',
      { '/vm/machine': 'virt', '/vm/viommu': { model: 'smmuv3', accel: true }, '/vm/vfio/0/backend': 'iommufd' },
      { queries: 1, bitmapBytes: 512 * KIB, dirtyBytesPerPass: 16 * GIB },
    ],
  ])('%s', (_name, given, sync) => {
    expect(container(given).sync).toMatchObject(sync);
  });

  it('is bounded where the guest is not known, each bound with a guest that reaches it', () => {
    const { containers, assumptions } = decided({ '/vm/viommu': intel48 });
    expect(containers[0]?.sync).toEqual({
      queries: 65_535,
      ioctls: 65_535,
      bitmapBytes: 65_535 * 32 * KIB,
      largestBitmapBytes: memory.largestBitmapBytes,
      dirtyBytesPerPass: 65_535 * GIB,
      atLeast: none,
    });
    expect(assumptions).toEqual(
      expect.arrayContaining([
        'dev0, dirty sync: queries at most: the guest maps 65535 x 4KiB from 0x0',
        'dev0, dirty sync: largestBitmapBytes at most: the guest leaves its memory as it is to the device',
        'dev0, dirty sync: queries, ioctls, bitmapBytes, largestBitmapBytes, dirtyBytesPerPass at least: the guest maps nothing',
      ]),
    );
  });

  it.each<[what: string, given: Given]>([
    ['who tracks', { '/source/devices/dev0/dmaLogging': undefined }],
    ['where memory lies', { '/vm/machine': undefined }],
    ['the QEMU', { '/source/qemu': undefined }],
    ['whether there is a vIOMMU', { '/closed': false }],
    [
      'whether QEMU takes the device: not behind this smmuv3',
      { '/vm/machine': 'virt', '/vm/viommu': { model: 'smmuv3' } },
    ],
  ])('is left out without %s', (_what, given) => {
    const decision = decided(given);
    expect(decision.containers[0]).toBeDefined();
    expect(decision.containers[0]).not.toHaveProperty('sync');
    expect(decision).not.toHaveProperty('convergence');
  });
});

/** Pages of a guest: back-to-back mappings of one size, with gaps between them. */
const guestMappings = (sizes: readonly bigint[], most: number) =>
  fc
    .array(
      fc.record({ gap: fc.bigInt(0n, 9n), size: fc.constantFrom(...sizes), count: fc.integer({ min: 1, max: most }) }),
      {
        minLength: 1,
        maxLength: 8,
      },
    )
    .map((rows) => {
      let next = 1n << 32n;
      return rows.map(({ gap, size, count }) => {
        const iova = ((next + gap * size + size - 1n) / size) * size;
        next = iova + size * BigInt(count);
        return { iova: `0x${iova.toString(16)}`, pageSize: Number(size), count };
      });
    });

/** Figures, and the lower bounds beside them. */
interface Bounded {
  readonly atLeast?: object | undefined;
}

const PAGES = [1n << 12n, 1n << 21n, 1n << 30n];
const bitmapOf = (bytes: number): bigint => (((BigInt(bytes) >> 12n) + 63n) / 64n) * 8n;

describe('the figures of a pass', () => {
  it('are those of each mapping, summed', () => {
    fc.assert(
      fc.property(guestMappings(PAGES, 500), (mappings) => {
        const { sync } = container(maps(mappings));
        const total = (of: (mapping: (typeof mappings)[number]) => bigint): number =>
          Number(mappings.reduce((all, mapping) => all + BigInt(mapping.count) * of(mapping), 0n));
        expect(sync).toEqual({
          queries: total(() => 1n),
          ioctls: total(() => 1n),
          bitmapBytes: total(({ pageSize }) => bitmapOf(pageSize)),
          largestBitmapBytes: Number(
            mappings.map(({ pageSize }) => bitmapOf(pageSize)).reduce((a, b) => (a > b ? a : b)),
          ),
          dirtyBytesPerPass: total(({ pageSize }) => BigInt(pageSize)),
        });
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ['intel', intel48, PAGES],
    ['virtio', { model: 'virtio' }, [1n << 12n, 1n << 21n, 1n << 33n]],
  ] as const)('of any guest lie within the bounds of one that is not known: %s', (_model, viommu, sizes) => {
    const unknown = container({ '/vm/viommu': viommu });
    fc.assert(
      fc.property(guestMappings(sizes, 2000), (mappings) => {
        const known = container(maps(mappings, viommu));
        const within = (figures: Bounded | undefined, bounds: Bounded | undefined): void => {
          const most = new Map(Object.entries(bounds ?? {}));
          const least = new Map(Object.entries(bounds?.atLeast ?? {}));
          for (const [name, figure] of Object.entries(figures ?? {})) {
            if (typeof figure !== 'number') continue;
            expect(figure, name).toBeLessThanOrEqual(Number(most.get(name)));
            expect(figure, name).toBeGreaterThanOrEqual(Number(least.get(name) ?? most.get(name)));
          }
        };
        within(known.sync, unknown.sync);
        within(known.trackingStart, unknown.trackingStart);
        for (const [index, transition] of known.transitions.entries()) {
          expect(transition).toMatchObject({ from: 'dma', to: unknown.transitions[index]?.to });
          within(transition, unknown.transitions[index]);
        }
      }),
      { numRuns: 40 },
    );
  });
});
