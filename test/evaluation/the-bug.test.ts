import { describe, expect, it } from 'vitest';
import type { Given } from '../rules/rule-tester.ts';
import { withValueAt } from '../../src/descriptor/pointer.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import type { DecidedTransition, Decision } from '../../src/evaluation/decision.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';

/** A QEMU that allows migration behind a vIOMMU but still unmaps the whole aperture: what a running 10.0.13 did. */
const bug: Descriptor = {
  vm: {
    machine: 'pc-q35-10.2',
    memory: '4GiB',
    viommu: { model: 'intel', addressWidth: 48, cachingMode: true },
    vfio: [{ id: 'dev0', host: '0000:3b:00.1', backend: 'legacy', enableMigration: 'on', guestDomain: 'dma' }],
  },
  source: {
    qemu: '10.2.2',
    kernel: '7.1',
    pageSize: '4KiB',
    memlockLimit: 'unlimited',
    iommu: { vendor: 'intel', dirtyTracking: false, addressWidth: 48 },
    devices: { dev0: { protocol: 'v2', stopCopy: true, p2p: true, preCopy: true, dmaLogging: false } },
    behaviours: { viommuBlock: 'device-tracking' },
  },
  migration: { guestEvents: ['domain-switch'] },
};

function decide(given: Given): Decision {
  let changed = bug;
  for (const [pointer, value] of Object.entries(given)) changed = withValueAt(changed, pointer, value);
  return evaluate(changed);
}

const toBlocking = ({ containers }: Decision): DecidedTransition | undefined =>
  containers[0]?.transitions.find(({ from, to }) => from === 'dma' && to === 'blocking');

const asReleased = { '/source/behaviours': undefined };

describe('the bug this project began with', () => {
  it('is risky, because of what the guest may do', () => {
    // What else may go wrong is known from reading code only.
    expect(decide({})).toMatchObject({ verdict: 'risky', because: ['guest-event'], confidence: 'inferred' });
    expect(decide({}).findings.find(({ rule }) => rule === 'vfio-unmap')).toMatchObject({
      outcome: 'fires',
      effect: 'migration-failure',
      trigger: 'domain-switch',
      reportedBy: ['migrate'],
    });
  });

  it('costs 28 unmaps of which four are refused, the first at 16 TiB', () => {
    expect(toBlocking(decide({}))).toMatchObject({
      strategy: 'whole',
      unmapCalls: 28,
      ioctls: 24,
      failures: 4,
      firstFailure: {
        iova: '0x100000000000',
        size: '0x100000000000',
        bitmapBytes: 536_870_912,
        result: -7,
        errno: 'E2BIG',
        refusedBy: 'qemu',
        message: 'vfio_container_dma_unmap(0x…, 0x100000000000, 0x100000000000) = -7 (Argument list too long)',
      },
    });
  });

  it.each(['4GiB', '64GiB', '1TiB', '4TiB'])('costs the same whatever the RAM: %s', (memory) => {
    const {
      leftMappedBytes: _left,
      dirtyBytesLost: _lost,
      ...cost
    } = toBlocking(decide({ '/vm/memory': memory })) ?? {};
    expect(cost).toMatchObject({ unmapCalls: 28, ioctls: 24, failures: 4, bitmapBytesAllocated: 8_589_934_560 });
  });

  it('does not happen with 39 bits', () => {
    const decision = decide({ '/vm/viommu/addressWidth': 39 });
    expect(decision.findings.map(({ rule }) => rule)).not.toContain('vfio-unmap');
    expect(toBlocking(decision)).toMatchObject({ strategy: 'whole', unmapCalls: 19, ioctls: 19, failures: 0 });
  });

  it('does not happen on iommufd, which has no size limit', () => {
    const decision = decide({ '/vm/vfio/0/backend': 'iommufd' });
    expect(decision.containers[0]?.limitBytes).toBeNull();
    expect(toBlocking(decision)).toMatchObject({ unmapCalls: 28, ioctls: 28, bitmaps: 0, failures: 0 });
  });

  it('is not reached in 10.2.2 as released, which refuses to start the device', () => {
    const decision = decide(asReleased);
    expect(decision).toMatchObject({ verdict: 'blocked', because: ['start-failure'] });
    const [warned, refused, hidden] = decision.findings;
    expect(warned).toMatchObject({ rule: 'vfio-dirty-tracking', effect: 'warning', reportedBy: ['start'] });
    expect(refused).toMatchObject({
      rule: 'vfio-viommu',
      effect: 'start-failure',
      reportedBy: ['start'],
      messages: { start: 'vfio 0000:3b:00.1: 0000:3b:00.1: Migration is currently not supported with vIOMMU enabled' },
    });
    expect(hidden).toMatchObject({ rule: 'vfio-unmap', shadowedBy: 'vfio-viommu', reportedBy: [] });
  });
});

describe('QEMU 11.1.3, whose tracked loop takes the end for the size', () => {
  const relaxed = { ...asReleased, '/source/qemu': '11.1.3' };

  it.each([
    {
      name: 'what is mapped at or above 0xfef00000 stays',
      mappings: [
        { iova: '0x1000', pageSize: '4KiB', count: 3 },
        { iova: '0xfef00000', pageSize: '4KiB', count: 2 },
        { iova: '0x100000000', pageSize: '2MiB', count: 1 },
      ],
      unmapCalls: 3,
      leftMappedBytes: 2 * 4096 + 2 ** 21,
      verdict: 'risky',
    },
    {
      name: 'what is mapped below goes',
      mappings: [{ iova: '0xfedff000', pageSize: '4KiB', count: 1, gpa: '0x1000' }],
      unmapCalls: 1,
      leftMappedBytes: 0,
      verdict: 'allowed',
    },
    { name: 'nothing mapped, nothing unmapped', mappings: [], unmapCalls: 0, leftMappedBytes: 0, verdict: 'allowed' },
    {
      // qemu-system 11.1.3, run with nine mappings: three went, six stayed.
      name: 'nine mappings as observed',
      mappings: [
        '0x1000',
        '0x7fffe000',
        '0xfedfe000',
        '0xfef00000',
        '0xff000000',
        '0x100000000',
        '0x123456000',
        '0x4000000000',
        '0x7ffffffff000',
      ].map((iova) => ({ iova, pageSize: '4KiB', count: 1 })),
      unmapCalls: 3,
      leftMappedBytes: 6 * 4096,
      verdict: 'risky',
    },
  ])('$name', ({ name: _name, mappings, verdict, ...figures }) => {
    const decision = decide({ ...relaxed, '/vm/vfio/0/mappings': mappings });
    expect(decision.verdict).toBe(verdict);
    expect(toBlocking(decision)).toMatchObject({
      strategy: 'tracked',
      ...figures,
      ioctls: figures.unmapCalls,
      failures: 0,
    });
    expect(toBlocking(decision)?.atLeast).toBeUndefined();
  });

  it('gives bounds, each with its witness, where the mappings are unknown', () => {
    const decision = decide(relaxed);
    expect(decision).toMatchObject({ verdict: 'risky', because: ['guest-event'] });
    expect(toBlocking(decision)).toMatchObject({ unmapCalls: 65_535, atLeast: { unmapCalls: 0, leftMappedBytes: 0 } });
    expect(decision.assumptions).toContain(
      'dev0, dma to blocking: unmapCalls at most: the guest maps 65535 x 4KiB from 0x0',
    );
  });
});
