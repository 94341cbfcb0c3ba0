import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Domain,
  figuresOf,
  type IntelIommu,
  type Machine,
  type MappingRun,
  switchDomain,
  totalBytes,
} from '../../src/simulator/index.ts';
import { type1Machine } from './type1-machine.ts';

const intel: IntelIommu = { model: 'intel', addressWidth: 48, scalableMode: false, firstStage: false };

const machine: Machine = {
  ...type1Machine,
  behaviours: { domainUnmap: 'whole', bitmapGate: 'tracking-started', iommufdUnmap: 'plain', regionDelBitmap: 'none' },
  viommu: intel,
  sections: [
    { gpa: 0n, size: 0x8000_0000n, readOnly: false, ramAddress: 0n },
    { gpa: 0xfffc_0000n, size: 0x4_0000n, readOnly: true },
    { gpa: 0x1_0000_0000n, size: 16n << 40n, readOnly: false, ramAddress: 0x8000_0000n },
  ],
};

const qemu11 = {
  domainUnmap: 'tracked-end-as-size',
  bitmapGate: 'tracking-started',
  iommufdUnmap: 'query-first',
} as const;
const as11 = (regionDelBitmap: 'ram-at-iova' | 'ram'): Machine => ({
  ...machine,
  behaviours: { ...qemu11, regionDelBitmap },
});
const on = (more: Partial<Machine>): Machine => ({ ...machine, ...more });
const viommu = (more: Partial<IntelIommu>): Machine => on({ viommu: { ...intel, ...more } });

describe('a switch of domain behind intel-iommu', () => {
  it.each<[string, Machine, Domain, Domain, string, object]>([
    ['whole, 48 bits', machine, 'dma', 'blocking', 'whole', { unmapCalls: 28n, ioctls: 24n, failures: 4n }],
    ['whole, 39 bits', viommu({ addressWidth: 39 }), 'dma', 'blocking', 'whole', { unmapCalls: 19n, failures: 0n }],
    [
      'tracking off',
      on({ tracking: 'off' }),
      'dma',
      'blocking',
      'whole',
      { unmapCalls: 28n, ioctls: 28n, bitmaps: 0n },
    ],
    [
      '11.x, tracking off',
      { ...as11('ram'), tracking: 'off' },
      'dma',
      'blocking',
      'whole',
      { unmapCalls: 28n, bitmaps: 0n },
    ],
    ['11.x, empty domain', as11('ram'), 'dma', 'blocking', 'tracked', { unmapCalls: 0n }],
    [
      '11.x, dirty-rate measuring',
      { ...as11('ram'), tracking: 'dirty-rate' },
      'dma',
      'blocking',
      'tracked',
      { unmapCalls: 0n },
    ],
    [
      'the two IOMMU sections go last',
      machine,
      'dma',
      'identity',
      'whole',
      { unmapCalls: 30n, ioctls: 26n, failures: 4n },
    ],
    ['live replace', machine, 'dma', 'dma', 'whole', { unmapCalls: 28n }],
    [
      'sections go, then notifiers unmap nothing',
      machine,
      'identity',
      'dma',
      'sections',
      { unmapCalls: 31n, bitmaps: 28n, failures: 4n },
    ],
    [
      'scalable mode: sections only',
      viommu({ scalableMode: true }),
      'identity',
      'dma',
      'sections',
      { unmapCalls: 3n, failures: 0n },
    ],
    [
      '11.x: writable sections with bitmap, one too large',
      as11('ram'),
      'identity',
      'blocking',
      'sections',
      { unmapCalls: 3n, ioctls: 2n, bitmaps: 2n, failures: 1n },
    ],
    ['blocking to identity', machine, 'blocking', 'identity', 'sections', { unmapCalls: 2n, bitmaps: 0n }],
    ['blocking to DMA only maps', machine, 'blocking', 'dma', 'none', { unmapCalls: 0n }],
    ['first stage on iommufd', viommu({ firstStage: true }), 'dma', 'blocking', 'none', { unmapCalls: 0n }],
  ])('%s', (_name, given, from, to, strategy, figures) => {
    const trace = switchDomain(given, from, to);
    expect(trace.strategy).toBe(strategy);
    expect(figuresOf(trace)).toMatchObject(figures);
  });

  it.each<[model: 'virtio' | 'amd' | 'intel' | 'none', from: Domain, to: Domain, strategy: string]>([
    ['virtio', 'dma', 'identity', 'per-mapping'],
    ['virtio', 'identity', 'dma', 'sections'],
    ['amd', 'dma', 'blocking', 'whole'],
    ['intel', 'dma', 'blocking', 'tracked'],
    ['intel', 'dma', 'dma', 'tracked'],
    ['intel', 'blocking', 'blocking', 'none'],
    ['intel', 'identity', 'blocking', 'sections'],
    ['none', 'dma', 'blocking', 'none'],
  ])('in 11.1, vIOMMU %s, from %s to %s: %s', (model, from, to, strategy) => {
    const trace = switchDomain({ ...as11('ram'), viommu: model === 'intel' ? intel : { model } }, from, to);
    expect(trace.strategy).toBe(strategy);
    for (const { kind } of trace.steps) expect(kind).toBe('unmap');
  });

  it('tells the upper notifier first: 18 pieces above the interrupt window, then 10 below', () => {
    const { steps } = switchDomain(machine, 'dma', 'blocking');
    const isUpper = steps.map(({ iova }) => iova >= 0xfef0_0000n);
    expect(isUpper).toEqual([...Array<boolean>(18).fill(true), ...Array<boolean>(10).fill(false)]);
  });

  it('lets a migration hear of failed vIOMMU unmaps, not of failed sections', () => {
    expect(figuresOf(switchDomain(as11('ram'), 'identity', 'blocking'))).toMatchObject({
      firstFailure: { iova: 0x1_0000_0000n, failure: { result: -7, refusedBy: 'qemu' } },
      fatal: null,
      leftMappedBytes: 16n << 40n,
    });
  });

  it.each<[string, Machine, bigint]>([
    ['10.2 reads no section’s bits', machine, 0x8000_0000n + (1n << 40n)],
    ['11.0 credits what lies above 4 GiB elsewhere', as11('ram-at-iova'), 1n << 40n],
    ['11.1 credits it right; read-only memory has no bits to read', as11('ram'), 0n],
  ])('dirty bytes lost when identity ends: %s', (_name, given, lost) => {
    const [low, rom, high] = machine.sections;
    if (!low || !rom || !high) throw new Error('three sections');
    const sections = [low, rom, { ...high, size: 1n << 40n }];
    expect(figuresOf(switchDomain({ ...given, sections }, 'identity', 'blocking')).dirtyBytesLost).toBe(lost);
  });
});

const mappings = fc
  .array(fc.record({ gap: fc.nat(1 << 20), large: fc.boolean(), count: fc.integer({ min: 1, max: 2000 }) }), {
    maxLength: 8,
  })
  .map((parts) => {
    let next = 0n;
    return parts.map(({ gap, large, count }): MappingRun => {
      const size = large ? 1n << 21n : 1n << 12n;
      const start = ((next + (BigInt(gap) << 13n) + size - 1n) / size) * size;
      const iova = start < 0xfef0_0000n && start + size * BigInt(count) > 0xfee0_0000n ? 0x1_0000_0000n : start;
      next = iova + size * BigInt(count);
      return { iova, size, count: BigInt(count), gpa: iova };
    });
  });

const behaviours = fc.constantFrom<Machine['behaviours']>(
  machine.behaviours,
  { ...qemu11, regionDelBitmap: 'ram' },
  { ...qemu11, domainUnmap: 'tracked', regionDelBitmap: 'ram' },
);

/** Each run as single mappings. */
const split = (runs: readonly MappingRun[]): MappingRun[] =>
  runs.flatMap(({ iova, size, count }) =>
    Array.from({ length: Number(count) }, (_, i) => {
      const start = iova + BigInt(i) * size;
      return { iova: start, size, count: 1n, gpa: start };
    }),
  );

describe('the model', () => {
  it('counts a run as its single mappings', () => {
    fc.assert(
      fc.property(mappings, behaviours, (runs, given) => {
        const whole = figuresOf(switchDomain(on({ behaviours: given, mappings: runs }), 'dma', 'blocking'));
        const single = figuresOf(switchDomain(on({ behaviours: given, mappings: split(runs) }), 'dma', 'blocking'));
        expect(single).toEqual(whole);
      }),
      { numRuns: 20 },
    );
  });

  it('has every byte either left mapped or unmapped', () => {
    fc.assert(
      fc.property(mappings, behaviours, (runs, given) => {
        const { steps, leftMapped } = switchDomain(on({ behaviours: given, mappings: runs }), 'dma', 'blocking');
        const unmapped = steps.reduce((sum, step) => sum + step.unmappedBytes, 0n);
        expect(unmapped + totalBytes(leftMapped)).toBe(totalBytes(runs));
      }),
    );
  });

  it('sends nothing that is not mapped, when it tracks', () => {
    fc.assert(
      fc.property(mappings, (runs) => {
        const tracked = on({
          behaviours: { ...qemu11, domainUnmap: 'tracked', regionDelBitmap: 'ram' },
          mappings: runs,
        });
        const { steps, leftMapped } = switchDomain(tracked, 'dma', 'blocking');
        for (const { size, count, unmappedBytes } of steps) expect(unmappedBytes).toBe(size * count);
        expect(leftMapped).toEqual([]);
      }),
    );
  });

  it('unmaps the whole aperture alike, whatever is mapped', () => {
    const empty = figuresOf(switchDomain(machine, 'dma', 'blocking'));
    fc.assert(
      fc.property(mappings, (runs) => {
        const {
          leftMappedBytes: _left,
          dirtyBytesLost: _lost,
          firstFailure: _first,
          fatal: _fatal,
          ...cost
        } = figuresOf(switchDomain(on({ mappings: runs }), 'dma', 'blocking'));
        expect(empty).toMatchObject(cost);
      }),
    );
  });
});
