import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { KernelAbilities } from '../../../src/simulator/container/kernel-abilities.ts';
import { trackingBytes } from '../../../src/simulator/container/tracking-memory.ts';
import {
  dirtyPages,
  dirtyPagesFlag,
  type MapDma,
  mapDma,
  mapFlag,
  openType1,
  pinPages,
  type Type1Container,
  type Type1Setup,
  type UnmapDma,
  unmapDma,
  unmapFlag,
  unpinPages,
  type UserBitmap,
  writePages,
} from '../../../src/simulator/container/type1.ts';
import type { Errno } from '../../../src/simulator/errno.ts';
import { type MappingRun, totalBytes, totalMappings } from '../../../src/simulator/mapping-runs.ts';
import { ADDRESS_MAX, ADDRESS_SPACE } from '../../../src/simulator/uint64.ts';

const PAGE = 4096n;
const M = 1n << 20n;
const G = 1n << 30n;
const T = 1n << 40n;
/** The largest bitmap that type1 takes. */
const MAX_BITMAP = 256n * M;

/** Linux 7.1, and 6.1 to 6.12. */
const linux71: KernelAbilities = {
  wrapErrno: 'EOVERFLOW',
  lastPage: true,
  dirtyPages: true,
  unmapAll: true,
  updateVaddr: 'iommu-only',
  hwptDirtyTracking: true,
};
const linux61: KernelAbilities = { ...linux71, wrapErrno: 'EINVAL', lastPage: false };

/** A container with a vfio-pci group behind a 48-bit VT-d. */
const vfioPci: Type1Setup = {
  kernel: linux71,
  version: 2,
  pageSize: PAGE,
  iommuGroup: true,
  emulatedGroup: false,
  iovaRanges: [
    { iova: 0n, size: 0xfee00000n },
    { iova: 0xfef00000n, size: (1n << 48n) - 0xfef00000n },
  ],
  dmaEntryLimit: 65535n,
};
/** A container with a mediated device only: nothing is pinned, and no aperture applies. */
const mdevOnly: Type1Setup = { ...vfioPci, iommuGroup: false, emulatedGroup: true, iovaRanges: [] };

const start = (container: Type1Container): Errno | null => dirtyPages(container, { flags: dirtyPagesFlag.start }).errno;

function mapped(setup: Partial<Type1Setup>, ...runs: MapDma[]): Type1Container {
  const container = openType1({ ...vfioPci, ...setup });
  for (const run of runs) expect(mapDma(container, run).errno).toBeNull();
  return container;
}

function tracked(setup: Partial<Type1Setup>, ...runs: MapDma[]): Type1Container {
  const container = mapped(setup, ...runs);
  expect(start(container)).toBeNull();
  return container;
}

/** The bitmap that fits `size` bytes. */
const fitting = (size: bigint): UserBitmap => ({ pageSize: PAGE, bytes: ((size / PAGE + 63n) / 64n) * 8n });

const withBitmap = (iova: bigint, size: bigint, bitmap = fitting(size)): UnmapDma => ({
  iova,
  size,
  flags: unmapFlag.getDirtyBitmap,
  bitmap,
});

const read = (container: Type1Container, iova: bigint, size: bigint) =>
  dirtyPages(container, { flags: dirtyPagesFlag.getBitmap, range: { iova, size, bitmap: fitting(size) } });

describe('how much one bitmap may cover', () => {
  test.each<[range: string, size: bigint, bitmap: string, bytes: bigint, errno: Errno | null]>([
    ['8 TiB less a page', 8n * T - PAGE, 'that fits', MAX_BITMAP, null],
    ['8 TiB', 8n * T, 'that fits', MAX_BITMAP, null],
    ['8 TiB', 8n * T, 'a word short', MAX_BITMAP - 8n, 'EINVAL'],
    ['8 TiB', 8n * T, 'a byte over 256 MiB', MAX_BITMAP + 1n, 'EINVAL'],
    ['8 TiB and a page', 8n * T + PAGE, 'of 256 MiB', MAX_BITMAP, 'EINVAL'],
    ['8 TiB and a page', 8n * T + PAGE, 'that fits', MAX_BITMAP + 8n, 'EINVAL'],
    ['16 TiB', 16n * T, 'that fits', 2n * MAX_BITMAP, 'EINVAL'],
    ['a page', PAGE, 'of 256 MiB', MAX_BITMAP, null],
    ['a page', PAGE, 'of 9 bytes', 9n, null],
    ['a page', PAGE, 'of 7 bytes', 7n, 'EINVAL'],
  ])('an unmap of %s, %s with a bitmap %s (%s bytes): %s', (_, size, __, bytes, errno) => {
    const unmap = withBitmap(0n, size, { pageSize: PAGE, bytes });
    expect(unmapDma(tracked(mdevOnly), unmap).errno).toBe(errno);
  });

  test('larger pages in the bitmap do not lift the limit', () => {
    const unmap = withBitmap(0n, 16n * T, { pageSize: 2n * M, bytes: M });
    expect(unmapDma(tracked(mdevOnly), unmap).errno).toBe('EINVAL');
  });
});

describe('how large a mapping can be tracked', () => {
  test('one page less than a range: 8 TiB less a page starts, 8 TiB leaves the whole container untracked', () => {
    expect(start(mapped(mdevOnly, { iova: 0n, size: 8n * T - PAGE }))).toBeNull();
    const container = mapped(mdevOnly, { iova: 16n * T, size: PAGE }, { iova: 0n, size: 8n * T });
    expect(start(container)).toBe('EINVAL');
    expect(container).toMatchObject({ tracking: false, bitmapBytes: 0n });
  });

  test('while tracking is on, 8 TiB cannot be mapped, but two mappings that make 8 TiB can, and go in one call', () => {
    const container = tracked(mdevOnly);
    expect(mapDma(container, { iova: 0n, size: 8n * T })).toEqual({ errno: 'EINVAL', made: 0n });
    expect(mapDma(container, { iova: 0n, size: 8n * T - PAGE }).errno).toBeNull();
    expect(mapDma(container, { iova: 8n * T - PAGE, size: PAGE }).errno).toBeNull();
    expect(unmapDma(container, withBitmap(0n, 8n * T))).toMatchObject({ errno: null, size: 8n * T, dirty: [] });
  });

  test('the total is not limited: four mappings of 4 TiB are tracked, and unmapped 8 TiB at a time', () => {
    const container = tracked(mdevOnly, { iova: 0n, size: 4n * T, count: 4n });
    expect(container.bitmapBytes).toBe(4n * trackingBytes(4n * T, PAGE));
    expect(unmapDma(container, withBitmap(0n, 16n * T)).errno).toBe('EINVAL');
    expect(unmapDma(container, withBitmap(0n, 8n * T)).size).toBe(8n * T);
    expect(unmapDma(container, withBitmap(8n * T, 8n * T)).size).toBe(8n * T);
    expect(container.bitmapBytes).toBe(0n);
  });

  test('without the memory for its bitmaps a container does not start: ENOMEM', () => {
    const container = mapped({ ...mdevOnly, kernelMemory: 230n * M }, { iova: 0n, size: 8n * T - PAGE });
    expect(start(container)).toBe('ENOMEM');
    expect(container.tracking).toBe(false);
    const enough = { ...mdevOnly, kernelMemory: trackingBytes(8n * T - PAGE, PAGE) };
    expect(start(mapped(enough, { iova: 0n, size: 8n * T - PAGE }))).toBeNull();
  });
});

describe('what is dirty', () => {
  test('behind an IOMMU, every page of every mapping, each time it is read', () => {
    const container = tracked({}, { iova: 16n * M, size: 2n * M }, { iova: 32n * M, size: M, flags: mapFlag.read });
    for (let pass = 0; pass < 2; pass++) {
      expect(read(container, 16n * M, 2n * M).dirty).toEqual([{ iova: 16n * M, size: PAGE, count: 512n }]);
      expect(totalMappings(read(container, 0n, 8n * T).dirty)).toBe(768n);
    }
  });

  test('of a range that ends where the next mapping begins, nothing of that', () => {
    const container = tracked({}, { iova: 0n, size: M, count: 2n });
    expect(read(container, 0n, M).dirty).toEqual([{ iova: 0n, size: PAGE, count: 256n }]);
  });

  test('with a mediated device beside vfio-pci, everything too', () => {
    const container = tracked({ emulatedGroup: true }, { iova: 0n, size: 2n * M });
    expect(totalMappings(unmapDma(container, withBitmap(0n, 2n * M)).dirty)).toBe(512n);
  });

  test('with mediated devices alone, what is pinned each time, and what was written or unpinned once', () => {
    const page = (n: bigint): MappingRun => ({ iova: n * PAGE, size: PAGE, count: 1n });
    const container = mapped(mdevOnly, { iova: 0n, size: 2n * M });
    expect(pinPages(container, page(1n))).toBeNull();
    expect(writePages(container, page(9n))).toBeNull();
    expect(start(container)).toBeNull();
    pinPages(container, page(2n));
    writePages(container, page(3n));
    unpinPages(container, page(2n));
    const reads = [1, 2].map(() => read(container, 0n, 2n * M).dirty.map(({ iova }) => iova / PAGE));
    expect(reads).toEqual([[1n, 2n, 3n], [1n]]);
  });

  test('what tracking did not see is not dirty: before it starts, after it stops, or in a mapping that went', () => {
    const page: MappingRun = { iova: PAGE, size: PAGE, count: 1n };
    const container = tracked(mdevOnly, { iova: 0n, size: 2n * M });
    writePages(container, page);
    dirtyPages(container, { flags: dirtyPagesFlag.stop });
    start(container);
    expect(read(container, 0n, 2n * M).dirty).toEqual([]);
    pinPages(container, page);
    unmapDma(container, { iova: 0n, size: 2n * M });
    mapDma(container, { iova: 0n, size: 2n * M });
    expect([1, 2].map(() => read(container, 0n, 2n * M).dirty)).toEqual([[], []]);
  });

  test('pages that are not all mapped are neither pinned nor written', () => {
    const container = tracked(mdevOnly, { iova: 0n, size: 2n * M });
    const pages: MappingRun = { iova: M, size: PAGE, count: 257n };
    expect([pinPages(container, pages), writePages(container, pages)]).toEqual(['EINVAL', 'EINVAL']);
    expect([1, 2].map(() => read(container, 0n, 2n * M).dirty)).toEqual([[], []]);
  });
});

describe('what goes when a call fails', () => {
  test('a bitmap page that cannot be written: the mappings before it are gone, those after it stay', () => {
    const container = tracked({}, { iova: G, size: 2n * M }, { iova: G + 128n * M, size: 2n * M });
    const bitmap = { ...fitting(256n * M), writableBytes: 4096n };
    const failed = unmapDma(container, withBitmap(G, 256n * M, bitmap));
    expect(failed).toMatchObject({ errno: 'EFAULT', size: 256n * M, unmapped: [{ iova: G }] });
    expect([...container.mappings].map(({ iova }) => iova)).toEqual([G + 128n * M]);
  });

  test('words that can be written in part cannot be written', () => {
    const container = tracked({}, { iova: 64n * PAGE, size: 16n * PAGE });
    const bitmap = { ...fitting(128n * PAGE), writableBytes: 12n };
    expect(unmapDma(container, withBitmap(0n, 128n * PAGE, bitmap)).errno).toBe('EFAULT');
  });

  test('a bitmap that cannot be written does no harm where nothing is mapped', () => {
    expect(unmapDma(tracked({}), withBitmap(0n, PAGE, { ...fitting(PAGE), writableBytes: 0n })).errno).toBeNull();
  });

  test.each<[cut: string, iova: bigint, size: bigint]>([
    ['its tail', 16n * M, M],
    ['its head', 17n * M, M],
    ['both', 17n * M, PAGE],
  ])('an unmap that would cut %s off a mapping: EINVAL, and nothing is unmapped', (_, iova, size) => {
    const container = tracked({}, { iova: 0n, size: 16n * M }, { iova: 16n * M, size: 2n * M });
    const whole = { iova: iova === 16n * M ? 0n : iova, size: iova === 16n * M ? 17n * M : size };
    expect(unmapDma(container, whole)).toMatchObject({ errno: 'EINVAL', size: whole.size, unmapped: [] });
    expect(unmapDma(container, withBitmap(iova, size)).errno).toBe('EINVAL');
    expect(read(container, iova, size).errno).toBe('EINVAL');
    expect(totalBytes(container.mappings)).toBe(18n * M);
  });

  test('a v1 container unmaps nothing when a range starts inside a mapping, and all of one that it covers the start of', () => {
    const container = mapped({ version: 1 }, { iova: 16n * M, size: 2n * M });
    expect(unmapDma(container, { iova: 17n * M, size: M })).toMatchObject({ errno: null, size: 0n });
    expect(unmapDma(container, { iova: 16n * M, size: PAGE })).toMatchObject({ errno: null, size: 2n * M });
    expect(start(container)).toBe('EACCES');
  });
});

describe('what the kernel answers, check by check', () => {
  test.each<[call: string, unmap: UnmapDma, old: Errno | null, current: Errno | null]>([
    ['of nothing', { iova: 0n, size: 16n * T }, null, null],
    ['above every IOMMU', { iova: 1n << 62n, size: PAGE }, null, null],
    ['of the last page', { iova: ADDRESS_MAX - PAGE + 1n, size: PAGE }, null, null],
    ['of everything', { iova: 0n, size: 0n, flags: unmapFlag.all }, null, null],
    ['of everything, with a size', { iova: 0n, size: PAGE, flags: unmapFlag.all }, 'EINVAL', 'EINVAL'],
    ['of no byte', { iova: 0n, size: 0n }, 'EINVAL', 'EINVAL'],
    ['of part of a page', { iova: 0n, size: PAGE + 1n }, 'EINVAL', 'EINVAL'],
    ['that wraps', { iova: ADDRESS_MAX - PAGE + 1n, size: 2n * PAGE }, 'EINVAL', 'EOVERFLOW'],
    ['that wraps and is not aligned', { iova: ADDRESS_MAX, size: 2n * PAGE }, 'EINVAL', 'EINVAL'],
    ['that wraps, with a bitmap', withBitmap(ADDRESS_MAX - PAGE + 1n, 2n * PAGE), 'EINVAL', 'EOVERFLOW'],
    ['that wraps, its bitmap too large', withBitmap(ADDRESS_MAX - PAGE + 1n, 16n * T), 'EINVAL', 'EINVAL'],
    [
      'that wraps, in pages larger than itself',
      withBitmap(ADDRESS_MAX - PAGE + 1n, 2n * PAGE, { pageSize: M, bytes: 8n }),
      'EINVAL',
      'EINVAL',
    ],
    ['with an unknown flag', { iova: 0n, size: PAGE, flags: 8 }, 'EINVAL', 'EINVAL'],
    ['of everything with a bitmap', { ...withBitmap(0n, 0n), flags: 3 }, 'EINVAL', 'EINVAL'],
    ['with a bitmap in the kernel', withBitmap(0n, PAGE, { ...fitting(PAGE), inKernel: true }), 'EINVAL', 'EINVAL'],
    ['with a bitmap of no page size', withBitmap(0n, PAGE, { pageSize: 0n, bytes: 512n }), 'EINVAL', 'EINVAL'],
    ['whose argument has no room for a bitmap', { ...withBitmap(0n, PAGE), argsz: 47 }, 'EINVAL', 'EINVAL'],
    ['whose argument is too short', { iova: 0n, size: PAGE, argsz: 16 }, 'EINVAL', 'EINVAL'],
  ])('an unmap %s', (_, unmap, old, current) => {
    const answers = [linux61, linux71].map((kernel) => unmapDma(tracked({ kernel }), unmap));
    expect(answers.map(({ errno }) => errno)).toEqual([old, current]);
    for (const { errno, size } of answers) expect(size).toBe(errno === null ? 0n : unmap.size);
  });

  test('without tracking, an unmap with a bitmap is refused, and the mapping stays', () => {
    const container = mapped({}, { iova: 0n, size: 2n * M });
    expect(unmapDma(container, withBitmap(0n, 2n * M)).errno).toBe('EINVAL');
    expect(unmapDma(container, { iova: 0n, size: 2n * M }).size).toBe(2n * M);
  });

  test.each<[range: string, iova: bigint, size: bigint, old: Errno | null, current: Errno | null]>([
    ['of no byte', 0n, 0n, 'EINVAL', 'EINVAL'],
    ['that ends at 2^64', ADDRESS_MAX - PAGE + 1n, PAGE, 'EINVAL', null],
    ['that wraps', ADDRESS_MAX - PAGE + 1n, 2n * PAGE, 'EINVAL', 'EOVERFLOW'],
    ['of part of a page', 0n, PAGE + 2048n, 'EINVAL', 'EINVAL'],
    ['of 8 TiB', 0n, 8n * T, null, null],
    ['of 8 TiB and a page', 0n, 8n * T + PAGE, 'EINVAL', 'EINVAL'],
  ])('reading a range %s', (_, iova, size, old, current) => {
    expect([linux61, linux71].map((kernel) => read(tracked({ kernel }), iova, size).errno)).toEqual([old, current]);
  });

  test.each<[request: string, flags: number, errno: Errno | null]>([
    ['START', 1, null],
    ['STOP', 2, null],
    ['neither', 0, 'EINVAL'],
    ['START and STOP', 3, 'EINVAL'],
    ['an unknown flag', 8, 'EINVAL'],
    ['GET_BITMAP without a range', 4, 'EINVAL'],
  ])('DIRTY_PAGES with %s', (_, flags, errno) => {
    expect(dirtyPages(openType1(vfioPci), { flags }).errno).toBe(errno);
    expect(dirtyPages(openType1(vfioPci), { flags, argsz: 4 }).errno).toBe('EINVAL');
    const linux54 = { ...linux71, dirtyPages: false };
    expect(dirtyPages(openType1({ ...vfioPci, kernel: linux54 }), { flags }).errno).toBe('ENOTTY');
  });

  test('a bitmap that is passed without its flag is not looked at', () => {
    const container = tracked({}, { iova: 0n, size: PAGE });
    const bitmap = { ...fitting(PAGE), writableBytes: 0n };
    expect(unmapDma(container, { iova: 0n, size: PAGE, bitmap })).toMatchObject({ errno: null, dirty: [] });
  });

  test('starting and stopping twice is as once', () => {
    const container = mapped({}, { iova: 0n, size: G });
    expect([start(container), start(container)]).toEqual([null, null]);
    expect(container.bitmapBytes).toBe(65536n);
    const stops = [1, 2].map(() => dirtyPages(container, { flags: dirtyPagesFlag.stop }).errno);
    expect(stops).toEqual([null, null]);
    expect(container).toMatchObject({ tracking: false, bitmapBytes: 0n });
  });

  test.each<[request: string, map: MapDma, errno: Errno | null]>([
    ['again', { iova: 0n, size: 2n * M }, 'EEXIST'],
    ['across the MSI window', { iova: 0xfede0000n, size: M }, 'EINVAL'],
    ['into the MSI window', { iova: 0xfee00000n, size: PAGE }, 'EINVAL'],
    ['over what is mapped and across the MSI window', { iova: 0n, size: 4n * G }, 'EEXIST'],
    ['at the end of the aperture', { iova: (1n << 48n) - PAGE, size: PAGE }, null],
    ['past the aperture', { iova: 1n << 48n, size: PAGE }, 'EINVAL'],
    ['past 2^64', { iova: ADDRESS_MAX - PAGE + 1n, size: 2n * PAGE }, 'EOVERFLOW'],
    ['past 2^64, and part of a page', { iova: ADDRESS_MAX - PAGE + 1n, size: PAGE + 512n }, 'EOVERFLOW'],
    ['from memory that ends at 2^64', { iova: 4n * M, size: PAGE, vaddr: ADDRESS_MAX - PAGE + 1n }, null],
    ['from memory that wraps', { iova: 4n * M, size: 2n * PAGE, vaddr: ADDRESS_MAX - PAGE + 1n }, 'EOVERFLOW'],
    ['no byte', { iova: 4n * M, size: 0n }, 'EINVAL'],
    ['part of a page', { iova: 4n * M, size: 2048n }, 'EINVAL'],
    ['from within a page', { iova: 4n * M, size: PAGE, vaddr: 512n }, 'EINVAL'],
    ['for neither reading nor writing', { iova: 4n * M, size: PAGE, flags: 0 }, 'EINVAL'],
    ['for reading, and an address back', { iova: 4n * M, size: PAGE, flags: 5 }, 'EINVAL'],
    ['read-only memory for writing', { iova: 4n * M, size: PAGE, memory: 'read-only' }, 'EFAULT'],
    ['read-only memory for reading', { iova: 4n * M, size: PAGE, memory: 'read-only', flags: mapFlag.read }, null],
    ['memory that is not there', { iova: 4n * M, size: PAGE, memory: 'absent' }, 'EFAULT'],
  ])('mapping %s', (_, map, errno) => {
    expect(mapDma(mapped({}, { iova: 0n, size: 2n * M }), map).errno).toBe(errno);
  });

  test('a mediated device alone has no aperture and pins nothing', () => {
    expect(mapDma(openType1(mdevOnly), { iova: 1n << 62n, size: PAGE, memory: 'absent' }).errno).toBeNull();
  });
});

describe('limits of a container', () => {
  test('65535 mappings, then ENOSPC; an unmap makes room', () => {
    const container = openType1(vfioPci);
    expect(mapDma(container, { iova: 0n, size: PAGE, count: 100_000n })).toEqual({ errno: 'ENOSPC', made: 65535n });
    expect(unmapDma(container, { iova: 0n, size: PAGE }).errno).toBeNull();
    expect(container.entriesLeft).toBe(1n);
    expect(mapDma(container, { iova: G, size: PAGE }).errno).toBeNull();
  });

  test('overlap is found before the limit, the limit before the aperture', () => {
    const container = mapped({ dmaEntryLimit: 1n }, { iova: 0n, size: PAGE });
    expect(mapDma(container, { iova: 0n, size: PAGE }).errno).toBe('EEXIST');
    expect(mapDma(container, { iova: 1n << 62n, size: PAGE }).errno).toBe('ENOSPC');
  });

  test('RLIMIT_MEMLOCK is inclusive, and the same memory counts for each mapping of it', () => {
    const container = mapped({ memlockLimit: M }, { iova: 16n * M, size: M, vaddr: G });
    expect(mapDma(container, { iova: 32n * M, size: PAGE, vaddr: G }).errno).toBe('ENOMEM');
    unmapDma(container, { iova: 16n * M, size: M });
    expect(mapDma(container, { iova: 64n * M, size: 2n * M }).errno).toBe('ENOMEM');
    expect(mapDma(container, { iova: 0n, size: PAGE, count: 512n })).toEqual({ errno: 'ENOMEM', made: 256n });
    const unpinned = mapped({ ...mdevOnly, memlockLimit: M }, { iova: 0n, size: G });
    expect(unpinned.lockedBytes).toBe(0n);
    unmapDma(unpinned, { iova: 0n, size: G });
    expect(unpinned.lockedBytes).toBe(0n);
  });

  test('a device’s memory is not locked: neither mapping it nor unmapping it counts', () => {
    const container = mapped({ memlockLimit: M }, { iova: 0n, size: M }, { iova: G, size: G, memory: 'device' });
    expect(container.lockedBytes).toBe(M);
    unmapDma(container, { iova: G, size: G });
    expect(container.lockedBytes).toBe(M);
  });

  test('a run ends where the address space does, and where memory for its bitmaps does', () => {
    const top = openType1(mdevOnly);
    expect(mapDma(top, { iova: ADDRESS_SPACE - 2n * G, size: G, count: 3n })).toEqual({ errno: 'EOVERFLOW', made: 2n });
    const small = tracked({ ...mdevOnly, kernelMemory: 200n * 1024n });
    expect(mapDma(small, { iova: 0n, size: G, count: 5n })).toEqual({ errno: 'ENOMEM', made: 3n });
  });

  test('a run of 2^40 mappings costs no more than one', () => {
    const run = { iova: 0n, size: PAGE, count: 1n << 40n };
    const container = tracked({ ...mdevOnly, dmaEntryLimit: 1n << 41n }, run);
    expect(container.bitmapBytes).toBe(run.count * 16n);
    expect(unmapDma(container, { iova: 0n, size: 0n, flags: unmapFlag.all }).size).toBe(1n << 52n);
  });
});

describe('taking virtual addresses away', () => {
  const vaddr = { iova: 0n, size: 4n * M, flags: unmapFlag.vaddr };

  test('the mappings stay; twice is EINVAL; the address comes back for exactly the mapping', () => {
    const container = mapped({}, { iova: 0n, size: 2n * M, count: 2n });
    expect(unmapDma(container, vaddr)).toMatchObject({ errno: null, size: 4n * M, unmapped: [] });
    expect(unmapDma(container, vaddr).errno).toBe('EINVAL');
    const back = (iova: bigint, size: bigint) => mapDma(container, { iova, size, flags: mapFlag.vaddr }).errno;
    const again = [back(0n, 2n * M), back(0n, 2n * M)];
    expect([back(8n * M, PAGE), back(2n * M, M), back(3n * M, 2n * M), ...again]).toEqual([
      'ENOENT',
      'EINVAL',
      'EINVAL',
      null,
      'EINVAL',
    ]);
    expect(unmapDma(container, { iova: 0n, size: 4n * M }).size).toBe(4n * M);
    mapDma(container, { iova: 2n * M, size: 2n * M });
    expect(unmapDma(container, vaddr)).toMatchObject({ errno: null, size: 2n * M });
  });

  test('not beside an emulated group: EBUSY; and not before 5.12: EINVAL', () => {
    expect(unmapDma(openType1(mdevOnly), vaddr).errno).toBe('EBUSY');
    const linux515 = { ...linux71, updateVaddr: 'any' } as const;
    expect(unmapDma(openType1({ ...mdevOnly, kernel: linux515 }), vaddr).errno).toBeNull();
    const linux510 = { ...linux71, updateVaddr: 'absent', unmapAll: false } as const;
    expect(unmapDma(openType1({ ...vfioPci, kernel: linux510 }), vaddr).errno).toBe('EINVAL');
    const back = { iova: 0n, size: PAGE, flags: mapFlag.vaddr };
    const answers = [linux510, linux515].map((kernel) => mapDma(openType1({ ...vfioPci, kernel }), back).errno);
    expect(answers).toEqual(['EINVAL', 'ENOENT']);
    expect(unmapDma(openType1({ ...vfioPci, kernel: linux510 }), { iova: 0n, size: 0n, flags: 2 }).errno).toBe(
      'EINVAL',
    );
  });
});

/** An unmap with a bitmap, mapping by mapping and bit by bit. Bits are numbered from the start of the range. */
function slowUnmap(
  mappings: readonly [iova: bigint, size: bigint][],
  range: { readonly iova: bigint; readonly size: bigint },
  prefilled: readonly bigint[],
  writableWords: bigint,
  isDirty: (page: bigint) => boolean,
): { errno: Errno | null; gone: bigint[]; bits: bigint[] } {
  const last = range.iova + range.size - 1n;
  const bits = new Set(prefilled);
  const gone: bigint[] = [];
  const answer = (errno: Errno | null) => ({ errno, gone, bits: [...bits].toSorted(ascending) });
  const within = mappings.filter(([iova, size]) => iova <= last && iova + size - 1n >= range.iova);
  if (within.some(([iova, size]) => iova < range.iova || iova + size - 1n > last)) {
    bits.clear();
    return answer('EINVAL');
  }
  for (const [iova, size] of within) {
    const first = (iova - range.iova) / PAGE;
    const end = first + size / PAGE;
    const firstWord = first - (first % 64n);
    const lastWordEnd = ((end + 63n) / 64n) * 64n;
    if (lastWordEnd > writableWords * 64n) return answer('EFAULT');
    for (let bit = firstWord; bit < lastWordEnd; bit++) {
      const own = bit >= first && bit < end && isDirty(range.iova / PAGE + bit);
      const orred = first > firstWord && bit < firstWord + 64n && bits.has(bit);
      if (own || orred) bits.add(bit);
      else bits.delete(bit);
    }
    gone.push(iova);
  }
  return answer(null);
}

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : 1);

const page = fc.bigInt({ min: 0n, max: 299n });
/** Runs of small mappings, apart or back to back, in the first 300 pages. */
const layout = fc
  .array(
    fc.record({
      gap: fc.bigInt({ min: 0n, max: 70n }),
      size: fc.bigInt({ min: 1n, max: 66n }),
      count: fc.bigInt({ min: 1n, max: 5n }),
    }),
    { maxLength: 5 },
  )
  .map((parts) => {
    let next = 0n;
    return parts.map(({ gap, size, count }) => {
      const iova = next + gap * PAGE;
      next = iova + size * count * PAGE;
      return { iova, size: size * PAGE, count };
    });
  });

const singly = (runs: Iterable<MappingRun>): [bigint, bigint][] =>
  [...runs].flatMap(({ iova, size, count }) =>
    Array.from({ length: Number(count) }, (_, i): [bigint, bigint] => [iova + BigInt(i) * size, size]),
  );

const pagesOf = (runs: Iterable<MappingRun>): bigint[] =>
  [...runs]
    .flatMap(({ iova, size, count }) => singly([{ iova, size: PAGE, count: (size * count) / PAGE }]))
    .map(([iova]) => iova / PAGE)
    .toSorted(ascending);

describe('against a container that keeps every mapping and every bit', () => {
  test('an unmap with a bitmap', () => {
    fc.assert(
      fc.property(
        layout,
        fc.boolean(),
        fc.uniqueArray(page, { maxLength: 30 }),
        fc.uniqueArray(page, { maxLength: 60 }),
        page,
        fc.bigInt({ min: 1n, max: 400n }),
        fc.option(fc.bigInt({ min: 0n, max: 6n }), { nil: undefined }),
        (runs, iommuGroup, pinned, ones, first, length, writable) => {
          const container = tracked(iommuGroup ? {} : mdevOnly, ...runs);
          for (const one of pinned) pinPages(container, { iova: one * PAGE, size: PAGE, count: 1n });
          const before = singly(container.mappings);
          const range = { iova: first * PAGE, size: length * PAGE };
          const words = (length + 63n) / 64n;
          const writableWords = writable === undefined || writable > words ? words : writable;
          const prefilled = ones.filter((one) => one < words * 64n);
          const isDirty = (at: bigint) => iommuGroup || pinned.includes(at);
          const slow = slowUnmap(before, range, prefilled, writableWords, isDirty);
          const bitmap = {
            pageSize: PAGE,
            bytes: words * 8n,
            writableBytes: writableWords * 8n,
            prefilled: prefilled.map((bit) => ({ iova: range.iova + bit * PAGE, size: PAGE, count: 1n })),
          };
          const { errno, unmapped, dirty, size } = unmapDma(container, withBitmap(range.iova, range.size, bitmap));
          expect(errno).toBe(slow.errno);
          expect(singly(unmapped).map(([iova]) => iova)).toEqual(slow.gone);
          expect(size).toBe(errno === null ? totalBytes(unmapped) : range.size);
          expect(pagesOf(dirty)).toEqual(slow.bits.map((bit) => first + bit));
          expect(singly(container.mappings)).toEqual(before.filter(([iova]) => !slow.gone.includes(iova)));
        },
      ),
      { numRuns: 400 },
    );
  });

  test('two halves are as one whole, unless the border cuts a mapping', () => {
    fc.assert(
      fc.property(
        layout,
        fc.uniqueArray(page, { maxLength: 20 }),
        fc.bigInt({ min: 1n, max: 1499n }),
        (runs, pinned, middle) => {
          const open = () => {
            const container = tracked(mdevOnly, ...runs);
            for (const one of pinned) pinPages(container, { iova: one * PAGE, size: PAGE, count: 1n });
            return container;
          };
          const [end, border] = [2000n * PAGE, middle * PAGE];
          const whole = unmapDma(open(), withBitmap(0n, end));
          const container = open();
          fc.pre(!container.mappings.cutBy(border));
          const halves = [withBitmap(0n, border), withBitmap(border, end - border)].map((half) =>
            unmapDma(container, half),
          );
          expect(singly(halves.flatMap(({ unmapped }) => unmapped))).toEqual(singly(whole.unmapped));
          expect(pagesOf(halves.flatMap(({ dirty }) => dirty))).toEqual(pagesOf(whole.dirty));
          expect([...container.mappings]).toEqual([]);
        },
      ),
    );
  });

  test('what is mapped, what was unmapped and what may still be mapped add up, whatever is called', () => {
    const call = fc.oneof(
      fc.record({
        kind: fc.constant('map' as const),
        at: page,
        pages: fc.bigInt({ min: 1n, max: 9n }),
        count: fc.bigInt({ min: 1n, max: 9n }),
      }),
      fc.record({
        kind: fc.constant('unmap' as const),
        bitmap: fc.boolean(),
        at: page,
        pages: fc.bigInt({ min: 1n, max: 80n }),
      }),
      fc.record({ kind: fc.constant('start' as const) }),
      fc.record({ kind: fc.constant('stop' as const) }),
    );
    fc.assert(
      fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
        const container = openType1({ ...vfioPci, dmaEntryLimit: 20n, memlockLimit: 100n * PAGE });
        let net = 0n;
        for (const one of calls) {
          if (one.kind === 'start') start(container);
          else if (one.kind === 'stop') dirtyPages(container, { flags: dirtyPagesFlag.stop });
          else if (one.kind === 'map') {
            const size = one.pages * PAGE;
            net += mapDma(container, { iova: one.at * PAGE, size, count: one.count }).made * size;
          } else {
            const range = { iova: one.at * PAGE, size: one.pages * PAGE };
            const { unmapped } = unmapDma(container, one.bitmap ? withBitmap(range.iova, range.size) : range);
            net -= totalBytes(unmapped);
            for (const run of unmapped) expect(container.mappings.overlapping(run.iova, run.iova)).toEqual([]);
          }
          expect(totalBytes(container.mappings)).toBe(net);
          expect(container.lockedBytes).toBe(net);
          expect(container.entriesLeft).toBe(20n - totalMappings(container.mappings));
          const bitmaps = [...container.mappings].map(({ size, count }) => trackingBytes(size, PAGE) * count);
          expect(container.bitmapBytes).toBe(container.tracking ? bitmaps.reduce((sum, bytes) => sum + bytes, 0n) : 0n);
        }
      }),
    );
  });

  test('a range anywhere in 2^64 is answered by its size and place alone, and unmaps what lies wholly inside', () => {
    const pages = fc.oneof(
      fc.bigInt({ min: 0n, max: (1n << 52n) - 1n }),
      fc.bigInt({ min: 0n, max: 80n }).map((n) => n << 18n),
    );
    fc.assert(
      fc.property(pages, pages, fc.boolean(), (first, length, bitmapped) => {
        const runs = [
          { iova: 0n, size: G, count: 64n },
          { iova: ADDRESS_SPACE - G, size: G, count: 1n },
        ];
        const container = tracked(mdevOnly, ...runs);
        const [iova, size] = [first * PAGE, length * PAGE];
        const { errno, unmapped } = unmapDma(container, bitmapped ? withBitmap(iova, size) : { iova, size });
        const end = iova + size;
        const cut = (at: bigint) => (at < 64n * G || (at > ADDRESS_SPACE - G && at < ADDRESS_SPACE)) && at % G !== 0n;
        const tooLarge = bitmapped && size > 8n * T;
        const expected =
          size === 0n || tooLarge
            ? 'EINVAL'
            : end > ADDRESS_SPACE
              ? 'EOVERFLOW'
              : cut(iova) || cut(end)
                ? 'EINVAL'
                : null;
        expect(errno).toBe(expected);
        const inside = singly(runs).filter(([at]) => at >= iova && at + G <= end);
        expect(singly(unmapped)).toEqual(errno === null ? inside : []);
      }),
    );
  });
});
