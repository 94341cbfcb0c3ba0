import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decided, devices, type Given, intel48, maps } from './decided.ts';

const KIB = 1024;
const GIB = KIB * KIB * KIB;

/** 16 GiB and the BIOS below 4 GiB, in seven sections. */
const memory = 16 * GIB + 256 * KIB;

const behindViommu = (count: number): Given => ({
  ...devices(Array.from({ length: count }, () => ({}))),
  '/vm/viommu': intel48,
});

describe('what VFIO needs of the host', () => {
  it.each<[name: string, given: Given, needs: object]>([
    ['type1 locks all memory once a container', {}, { memlockBytes: memory, dmaEntries: 7 }],
    ['whose devices share that', devices([{}, {}, {}]), { memlockBytes: memory, dmaEntries: 7 }],
    [
      'behind a vIOMMU each device locks it, from the start of the VM on',
      { ...maps([{ iova: '0x1000', pageSize: '4KiB', count: 100 }]) },
      { memlockBytes: memory, dmaEntries: 100 },
    ],
    [
      'or what the guest maps, if that is more',
      maps([{ iova: '0x100000000', pageSize: '1GiB', count: 100 }]),
      { memlockBytes: 100 * GIB, dmaEntries: 100 },
    ],
    ['iommufd has no entries', { '/vm/vfio/0/backend': 'iommufd' }, { memlockBytes: memory, dmaEntries: 0 }],
    [
      'two iommufd objects lock memory twice',
      devices([
        { backend: 'iommufd', iommufdObject: 'a' },
        { backend: 'iommufd', iommufdObject: 'b' },
      ]),
      { memlockBytes: 2 * memory, dmaEntries: 0 },
    ],
    [
      'what type1 and iommufd lock is counted apart',
      devices([{}, { backend: 'iommufd' }]),
      { memlockBytes: memory, dmaEntries: 7 },
    ],
    [
      'an mdev locks what its driver pins',
      { '/vm/vfio/0/type': 'mdev' },
      { memlockBytes: memory, dmaEntries: 7, atLeast: { memlockBytes: 0, dmaEntries: 7 } },
    ],
    [
      'each block of a virtio-mem is an entry',
      { '/vm/hotplugged': [{ model: 'virtio-mem', size: '16GiB' }] },
      { memlockBytes: memory + 16 * GIB, dmaEntries: 7 + 8192 },
    ],
    [
      'each memory backend is a section',
      { '/vm/memoryBackends': [{ size: '4GiB' }, { size: '4GiB' }, { size: '8GiB' }] },
      { memlockBytes: memory, dmaEntries: 9 },
    ],
    [
      'a BAR is an entry, but not locked',
      { '/vm/vfio/0/pciBars': [{ gpa: '0x380000000000', size: '1GiB' }] },
      { memlockBytes: memory, dmaEntries: 8 },
    ],
    [
      'a virtio-iommu that does not bypass at the start maps nothing yet',
      {
        ...maps([{ iova: '0x1000', pageSize: '4KiB', count: 1 }]),
        '/vm/viommu': { model: 'virtio', bootBypass: false },
      },
      { memlockBytes: 4096, dmaEntries: 1 },
    ],
    [
      'more than the limit where the guest maps more',
      { ...maps([{ iova: '0x0', pageSize: '4KiB', count: 100_000 }]), '/source/type1': { dmaEntryLimit: 10 } },
      { dmaEntries: 100_000 },
    ],
    [
      'of a guest that is not known: from what the VM starts with up to what type1 holds',
      behindViommu(2),
      {
        memlockBytes: 2 * 65_535 * GIB,
        dmaEntries: 65_535,
        atLeast: { memlockBytes: 2 * memory, dmaEntries: 7 },
      },
    ],
  ])('%s', (_name, given, needs) => {
    expect(decided(given)).toMatchObject(needs);
  });

  it('names the guest that reaches each bound', () => {
    expect(decided(behindViommu(2)).assumptions).toEqual(
      expect.arrayContaining([
        'dev1: dmaEntries at most: the guest maps 65535 x 4KiB from 0x0',
        'dev1: memlockBytes, dmaEntries at least: the guest leaves its memory as it is to the device',
      ]),
    );
  });

  it('is nothing without a VFIO device', () => {
    expect(decided({ '/vm/vfio': [], '/source/devices': {} })).toMatchObject({ memlockBytes: 0, dmaEntries: 0 });
  });

  // qemuDomainGetMemLockLimitBytes (libvirt 11.3): once the memory, or with a vIOMMU once a device, and 1 GiB.
  it('is at the start no more than libvirt lets QEMU lock', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 4096 }),
        fc.boolean(),
        (count, gib, viommu) => {
          const given = { ...behindViommu(count), '/vm/memory': `${gib}GiB`, '/source/qemu': '10.2.2' };
          const decision = decided(viommu ? given : { ...given, '/vm/viommu': null });
          const needed = decision.atLeast?.memlockBytes ?? decision.memlockBytes;
          const factor = viommu ? count : 1;
          expect(needed).toBeGreaterThan(factor * gib * GIB);
          expect(needed).toBeLessThanOrEqual((factor * gib + 1) * GIB);
        },
      ),
      { numRuns: 30 },
    );
  });
});
