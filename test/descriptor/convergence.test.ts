import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decided, devices, type Given, intel48, maps } from './decided.ts';

const KIB = 1024;
const MIB = KIB * KIB;
const GIB = KIB * MIB;

/** What QEMU 11 asks for of 16 GiB, and type1 calls dirty: all but 212 KiB of shadowed ROMs. */
const dirty = 16 * GIB - 212 * KIB;
const at = (bandwidth: string, downtimeLimitMs?: number): Given => ({
  '/migration': { parameters: { bandwidth, ...(downtimeLimitMs !== undefined && { downtimeLimitMs }) } },
});
/** The same memory for two devices behind a vIOMMU. */
const buffer = { iova: '0x100000000', pageSize: '1GiB', count: 4 };
const twoMap = (mapping: object): Given => ({
  ...devices([
    { guestDomain: 'dma', mappings: [mapping] },
    { guestDomain: 'dma', mappings: [mapping] },
  ]),
  '/vm/viommu': intel48,
});

describe('whether a migration converges', () => {
  it.each<[name: string, given: Given, convergence: object | undefined]>([
    [
      'type1 calls all memory dirty on every pass: 16 GiB do not fit into 300 ms',
      at('10GiB'),
      { dirtyBytesPerPass: dirty, downtimeFloorMs: 1599, converges: false },
    ],
    ['a downtime of 1.6 s is enough for it', at('10GiB', 1600), { converges: true, downtimeFloorMs: 1599 }],
    [
      'a downtime in which what is dirty fits, but not all that may be',
      { ...at('1GiB', 5000), ...maps([{ ...buffer, gpa: '0x100000000' }]) },
      { dirtyBytesPerPass: 4 * GIB, downtimeFloorMs: 4000, converges: 'unknown' },
    ],
    ['no bandwidth', {}, { dirtyBytesPerPass: dirty, converges: 'unknown' }],
    ['a bandwidth of 0 is none to QEMU', at('0B'), { converges: 'unknown' }],
    [
      'what a device logs is not known',
      { ...at('10GiB'), '/source/devices/dev0/dmaLogging': true },
      { dirtyBytesPerPass: dirty, converges: 'unknown', atLeast: { dirtyBytesPerPass: 0 } },
    ],
    [
      'but if all memory fits, so does what it logs',
      { ...at('100GiB'), '/source/devices/dev0/dmaLogging': true },
      { converges: true },
    ],
    [
      'nobody tracks: since 10.0 nothing is dirty for a device',
      { ...at('1GiB'), '/vm/vfio/0/backend': 'iommufd', '/source/iommu/dirtyTracking': false },
      { dirtyBytesPerPass: 0, converges: 'unknown' },
    ],
    [
      'nobody tracks: until 9.2 all is',
      {
        ...at('1GiB'),
        '/source/qemu': '9.1',
        '/vm/vfio/0/backend': 'iommufd',
        '/source/iommu/dirtyTracking': false,
      },
      { dirtyBytesPerPass: 16 * GIB + 256 * KIB, converges: false },
    ],
    [
      'dirty pages that are only read once the guest stops keep it from nothing, but take their time',
      { ...at('1GiB'), '/vm/vfio/0/preCopyDirtyTracking': 'off' },
      { downtimeFloorMs: 15_999, converges: 'unknown' },
    ],
    [
      'memory that two containers map counts once',
      { ...at('1GiB'), ...devices([{}, { backend: 'iommufd' }]), '/source/iommu/dirtyTracking': true },
      { dirtyBytesPerPass: dirty, converges: false },
    ],
    [
      'so does what a guest maps for two devices',
      { ...at('1GiB'), ...twoMap({ ...buffer, gpa: '0x100000000' }) },
      { dirtyBytesPerPass: 4 * GIB, downtimeFloorMs: 4000, converges: false },
    ],
    [
      'where that is not known it may be the same or not',
      { ...at('1GiB'), ...twoMap(buffer) },
      { dirtyBytesPerPass: 8 * GIB, downtimeFloorMs: 4000, converges: false, atLeast: { dirtyBytesPerPass: 4 * GIB } },
    ],
    [
      'a guest maps no more than its memory',
      { ...at('1GiB'), ...twoMap({ ...buffer, count: 12 }) },
      { dirtyBytesPerPass: 16 * GIB, atLeast: { dirtyBytesPerPass: 12 * GIB } },
    ],
    [
      'of a guest that is not known nothing is certain',
      { ...at('1GiB'), '/vm/viommu': intel48 },
      { dirtyBytesPerPass: 16 * GIB, converges: 'unknown', atLeast: { dirtyBytesPerPass: 0 } },
    ],
    ['a guest that stands still anyway', { '/migration': { mode: 'cpr-reboot' } }, undefined],
    ['no device', { '/vm/vfio': [], '/source/devices': {} }, undefined],
  ])('%s', (_name, given, convergence) => {
    const decision = decided(given);
    if (convergence) expect(decision.convergence).toMatchObject(convergence);
    else expect(decision).not.toHaveProperty('convergence');
  });

  it.each<[given: Given, assumption: string]>([
    [at('10GiB'), 'The guest is taken to be stopped for 300 ms at most, QEMU’s default.'],
    [at('10GiB', 1600), 'The state of devices, whose size is not known, is not counted.'],
    [twoMap(buffer), 'Mappings without a guest address are taken to map memory of their own.'],
  ])('says what it takes for granted', (given, assumption) => {
    expect(decided(given).assumptions).toContain(assumption);
    expect(decided().assumptions).not.toContain(assumption);
  });

  it('dirties each page of guest memory once, however often it is mapped', () => {
    const page = fc.integer({ min: 0, max: 40 });
    const runs = fc.array(fc.record({ page, count: fc.integer({ min: 1, max: 9 }) }), { maxLength: 6 });
    fc.assert(
      fc.property(runs, runs, (first, second) => {
        const mapped = (rows: typeof first): object[] =>
          rows.map((row, i) => ({
            iova: `0x${(0x1_0000_0000 + i * 0x10_0000).toString(16)}`,
            pageSize: '4KiB',
            count: row.count,
            gpa: `0x${(0x10_0000 + row.page * 4096).toString(16)}`,
          }));
        const pages = new Set(
          [...first, ...second].flatMap(({ page: from, count }) => Array.from({ length: count }, (_, i) => from + i)),
        );
        const { convergence } = decided({
          ...devices([
            { guestDomain: 'dma', mappings: mapped(first) },
            { guestDomain: 'dma', mappings: mapped(second) },
          ]),
          '/vm/viommu': intel48,
        });
        expect(convergence).toEqual({ dirtyBytesPerPass: pages.size * 4096, converges: 'unknown' });
      }),
      { numRuns: 60 },
    );
  });

  it('does not, if what is dirty takes longer than the guest may be stopped for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), fc.integer({ min: 1, max: 20_000 }), (gib, limit) => {
        const { convergence } = decided({ ...at(`${gib}GiB`, limit) });
        const floor = (BigInt(dirty) * 1000n) / (BigInt(gib) << 30n);
        expect(convergence?.downtimeFloorMs).toBe(Number(floor));
        expect(convergence?.converges === false).toBe(BigInt(dirty) * 1000n > BigInt(limit) * (BigInt(gib) << 30n));
      }),
      { numRuns: 60 },
    );
  });
});
