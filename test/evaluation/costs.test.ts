import { describe, expect, it } from 'vitest';
import type { Decision } from '../../src/evaluation/decision.ts';
import { amount } from '../../src/evaluation/costs.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

const GIB = 2 ** 30;

type Costs = Pick<Decision, 'containers' | 'limits' | 'convergence' | 'memlockBytes' | 'dmaEntries' | 'atLeast'>;

function costsOf(given: Given): Costs {
  const { containers, limits, convergence, memlockBytes, dmaEntries, atLeast } = evaluate(descriptorWith(given));
  return { containers, limits, convergence, memlockBytes, dmaEntries, atLeast };
}

/** A device that type1 tracks. */
const tracked: Given = { '/source/devices/dev0/dmaLogging': false };
/** The same behind a vIOMMU, in a DMA domain that maps a hundred pages above 4 GiB. */
const behind: Given = {
  ...tracked,
  '/vm/viommu': intel48,
  '/vm/vfio/0/guestDomain': 'dma',
  '/vm/vfio/0/mappings': [{ iova: '0x100000000', gpa: '0x0', pageSize: '4KiB', count: 100 }],
};

describe('what a decision says of costs', () => {
  const tooBig = {
    result: -7,
    errno: 'E2BIG',
    iova: '0x100000000000',
    size: '0x100000000000',
    bitmapBytes: GIB / 2,
    refusedBy: 'qemu',
    message: 'vfio_container_dma_unmap(0x…, 0x100000000000, 0x100000000000) = -7 (Argument list too long)',
  };
  /** The 2^48 bytes of the aperture but for the interrupt window’s 1 MiB, at one bit a page. */
  const bitmaps = { bitmaps: 28, bitmapBytesAllocated: 8 * GIB - 32, largestBitmapBytes: 4 * GIB };
  const whole = {
    strategy: 'whole',
    ...bitmaps,
    failures: 4,
    leftMappedBytes: 0,
    dirtyBytesLost: 0,
    firstFailure: tooBig,
  };

  it('behind a vIOMMU whose mappings are known: exact, each way out of the DMA domain', () => {
    expect(costsOf(behind)).toEqual({
      containers: [
        {
          id: 'container0',
          addressSpace: 'dev0',
          backend: 'legacy',
          devices: ['dev0'],
          tracker: 'type1',
          limitBytes: 2 ** 43,
          trackingStart: { ok: true, kernelBytes: 1600, loggingRanges: [] },
          sync: { queries: 100, ioctls: 100, bitmapBytes: 800, largestBitmapBytes: 8, dirtyBytesPerPass: 409_600 },
          transitions: [
            { from: 'dma', to: 'blocking', unmapCalls: 28, ioctls: 24, ...whole },
            { from: 'dma', to: 'identity', unmapCalls: 30, ioctls: 26, ...whole },
          ],
        },
      ],
      limits: { dirtyBitmapBytes: 2 ** 28, dmaEntries: 65_535 },
      convergence: { dirtyBytesPerPass: 409_600, converges: 'unknown' },
      // Before the guest's driver attaches, all memory is mapped, and QEMU's own 256 KiB of ROM.
      memlockBytes: 4 * GIB + 2 ** 18,
      dmaEntries: 100,
    });
  });

  it('of what the kernel refuses: its own errno beside the one that QEMU makes of it', () => {
    const onArm: Given = {
      ...behind,
      '/vm/viommu': { model: 'virtio', addressWidth: 48 },
      '/source/pageSize': '64KiB',
      '/vm/vfio/0/mappings': [{ iova: '0x100000000', gpa: '0x0', pageSize: '4KiB', count: 7 }],
    };
    expect(costsOf(onArm).containers[0]?.transitions[0]).toMatchObject({
      failures: 7,
      firstFailure: { iova: '0x100000000', result: -1, errno: 'EPERM', kernelErrno: 'EINVAL', refusedBy: 'kernel' },
    });
    expect(costsOf(behind).containers[0]?.transitions[0]?.firstFailure).not.toHaveProperty('kernelErrno');
  });

  it('of a guest of which nobody knows whether it has a vIOMMU: no way out of a domain', () => {
    expect(costsOf({ '/closed': false, '/vm/viommu': undefined }).containers[0]?.transitions).toEqual([]);
  });

  it('behind one whose mappings are not: at least nothing, at most as many pages of 1 GiB as there may be mappings', () => {
    const { containers, memlockBytes, dmaEntries, atLeast } = costsOf({ ...behind, '/vm/vfio/0/mappings': undefined });
    const [container] = containers;
    expect(container?.sync).toMatchObject({ atLeast: { queries: 0, dirtyBytesPerPass: 0 } });
    expect(container?.transitions[0]).toMatchObject({
      ...whole,
      leftMappedBytes: 65_535 * GIB,
      dirtyBytesLost: expect.any(Number),
      atLeast: { unmapCalls: 28, dirtyBytesLost: 0 },
    });
    expect([memlockBytes, dmaEntries]).toEqual([65_535 * GIB, 65_535]);
    expect(atLeast).toEqual({ memlockBytes: 4 * GIB + 2 ** 18, dmaEntries: 7 });
  });

  it('with a bandwidth: how long the last pass takes at least, which is more than the 300 ms that QEMU allows', () => {
    const { convergence } = costsOf({ ...behind, '/migration/parameters': { bandwidth: '1MiB' } });
    expect(convergence).toEqual({ dirtyBytesPerPass: 409_600, downtimeFloorMs: 390, converges: false });
  });

  it('of a device that logs what it writes: the ranges that it is told, and bounds of what it may have written', () => {
    const { containers, convergence } = costsOf({});
    expect(containers[0]).toMatchObject({
      addressSpace: 'memory',
      tracker: 'device',
      trackingStart: {
        ok: true,
        kernelBytes: 0,
        loggingRanges: [
          { iova: '0x0', size: '0x100000000' },
          { iova: '0x100000000', size: '0x80000000' },
        ],
      },
      transitions: [],
    });
    expect(convergence).toEqual({
      dirtyBytesPerPass: 4 * GIB,
      converges: 'unknown',
      atLeast: { dirtyBytesPerPass: 0 },
    });
  });

  it('of a start that fails, or may fail, and with what', () => {
    const error = { errno: 'EINVAL', refusedBy: 'kernel' };
    const start = (given: Given) => costsOf(given).containers[0]?.trackingStart;
    expect(start({ ...tracked, '/vm/memory': '9TiB' })).toMatchObject({ ok: false, kernelBytes: 0, error });
    expect(start({ '/vm/viommu': intel48 })).toEqual({
      ok: 'unknown',
      kernelBytes: 0,
      error: { errno: 'EOVERFLOW', refusedBy: 'kernel' },
    });
  });

  it('without a QEMU: what does not hang on it, and no more', () => {
    expect(costsOf({ '/source/qemu': undefined })).toEqual({
      containers: [
        {
          id: 'container0',
          addressSpace: 'memory',
          backend: 'legacy',
          devices: ['dev0'],
          tracker: 'unknown',
          limitBytes: 2 ** 43,
          transitions: [],
        },
      ],
      limits: { dirtyBitmapBytes: 2 ** 28, dmaEntries: 65_535 },
    });
  });

  it('shows the limits that the host has', () => {
    const { limits } = costsOf({ '/source/memlockLimit': '16GiB', '/source/type1': { dmaEntryLimit: 1000 } });
    expect(limits).toEqual({ dirtyBitmapBytes: 2 ** 28, dmaEntries: 1000, memlockBytes: 16 * GIB });
  });

  it('says no amount that JSON cannot say exactly', () => {
    expect([2n ** 53n - 2n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n].map(amount)).toEqual([
      2 ** 53 - 2,
      2 ** 53 - 1,
      2 ** 53 - 1,
      2 ** 53 - 1,
    ]);
  });
});
