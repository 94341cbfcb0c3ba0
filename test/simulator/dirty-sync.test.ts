import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { qemuBehaviours } from '../../src/platform/qemu.ts';
import { parseVersion, type Release, type Version } from '../../src/platform/version.ts';
import {
  type Container,
  type Domain,
  type GuestEvent,
  type HostKernel,
  lockedBytes,
  type Machine,
  type MappingRun,
  mappingsOf,
  type MemorySection,
  type QueryStep,
  react,
  type SimulatorBehaviours,
  stateIn,
  type Step,
  totalBytes,
  totalMappings,
  type Tracker,
} from '../../src/simulator/index.ts';

const KIB_4 = 1n << 12n;
const MIB = 1n << 20n;
const GIB = 1n << 30n;

const behaviours = (release: Release): SimulatorBehaviours => {
  const found = qemuBehaviours(parseVersion(release) as Version);
  if (!found) throw new Error(release);
  return found;
};

/** Linux 7.1 with an IOMMU. */
const kernel: HostKernel = {
  abilities: {
    wrapErrno: 'EOVERFLOW',
    lastPage: true,
    dirtyPages: true,
    unmapAll: true,
    updateVaddr: 'iommu-only',
    hwptDirtyTracking: true,
  },
  iommuGroup: true,
  iovaRanges: [],
  dmaEntryLimit: 65_535n,
};

const ram: MemorySection = { gpa: 0n, size: 2n * GIB, readOnly: false, ramAddress: 0n };
const rom: MemorySection = { gpa: 0xfffc_0000n, size: 256n << 10n, readOnly: true };
const bar: MemorySection = { gpa: 64n * GIB, size: GIB, readOnly: false, vfioPci: true };

const container: Container = {
  backend: 'legacy',
  tracker: 'type1',
  devices: 2,
  trackingHwpts: 0,
  pageSize: KIB_4,
  maxDirtyBitmapSize: 1n << 28n,
  allocatable: null,
};

const machine: Machine = {
  behaviours: behaviours('11.1'),
  viommu: { model: 'none' },
  container,
  tracking: 'off',
  mappings: [],
  sections: [ram, rom, bar],
};

const trackedBy = (tracker: Tracker, more: Partial<Container> = {}): Container => ({
  ...container,
  tracker,
  backend: tracker === 'iommu' ? 'iommufd' : 'legacy',
  trackingHwpts: tracker === 'iommu' ? 3 : 0,
  ...more,
});

function* run(given: Machine, domain: Domain, ...events: GuestEvent[]): Generator<Step> {
  const state = stateIn(given, domain);
  for (const event of events) yield* react(state, event);
}

/** The queries of one pass. */
const pass = (given: Machine, domain: Domain = 'identity'): QueryStep[] =>
  [...run(given, domain, { type: 'tracking-start', by: 'migration' }, { type: 'sync' })].filter(
    (step) => step.kind === 'query',
  );

describe('one pass over the dirty bitmaps', () => {
  it.each<[name: string, given: Partial<Machine>, queries: Partial<QueryStep>[]]>([
    [
      'type1 with an IOMMU calls every mapped page dirty',
      {},
      [{ iova: 0n, gpa: 0n, bitmapBytes: 64n << 10n, ioctls: 1, dirtyBytes: 2n * GIB, dirtyBytesAtMost: 2n * GIB }],
    ],
    [
      'type1 with mediated devices alone knows what their drivers pinned',
      { container: { ...container, kernel: { ...kernel, iommuGroup: false } } },
      [{ ioctls: 1, dirtyBytes: 0n, dirtyBytesAtMost: 2n * GIB }],
    ],
    [
      'each device that logs is asked, into one bitmap',
      { container: trackedBy('device') },
      [{ bitmapBytes: 64n << 10n, ioctls: 2, dirtyBytes: 0n, dirtyBytesAtMost: 2n * GIB }],
    ],
    [
      'each page table that tracks is asked',
      { container: trackedBy('iommu') },
      [{ bitmapBytes: 64n << 10n, ioctls: 3, dirtyBytes: 0n, dirtyBytesAtMost: 2n * GIB }],
    ],
    ['nobody tracks: since 10.0 nothing is asked and nothing marked', { container: trackedBy('none') }, []],
    [
      'nobody tracks: until 9.2 all is taken for dirty, ROMs too',
      { container: trackedBy('none'), behaviours: behaviours('9.1') },
      [
        { bitmapBytes: 0n, ioctls: 0, dirtyBytes: 2n * GIB, dirtyBytesAtMost: 2n * GIB },
        { iova: 0xfffc_0000n, dirtyBytes: 256n << 10n },
      ],
    ],
    [
      'ROMs are not asked for, where nothing is said of what is logged',
      {
        behaviours: {
          domainUnmap: 'whole',
          bitmapGate: 'tracking-started',
          iommufdUnmap: 'plain',
          regionDelBitmap: 'none',
        },
      },
      [{ iova: 0n, dirtyBytes: 2n * GIB }],
    ],
    [
      'until 10.2 ROMs are asked for, and dirty',
      { behaviours: behaviours('10.2') },
      [{ dirtyBytes: 2n * GIB }, { bitmapBytes: 8n, dirtyBytes: 256n << 10n }],
    ],
  ])('%s', (_name, given, queries) => {
    expect(pass({ ...machine, ...given })).toMatchObject(queries);
  });

  it('asks for each mapping behind a vIOMMU, and says where in the guest it is', () => {
    const mappings: MappingRun[] = [
      { iova: 0x1000n, size: KIB_4, count: 3n, gpa: 0x7000n },
      { iova: 0x4000_0000n, size: 2n * MIB, count: 1n },
    ];
    const behind: Machine = {
      ...machine,
      viommu: { model: 'intel', addressWidth: 48, scalableMode: false, firstStage: false },
      mappings,
    };
    expect(pass(behind, 'dma')).toMatchObject([
      { iova: 0x1000n, count: 3n, gpa: 0x7000n, bitmapBytes: 8n, dirtyBytes: 3n * KIB_4 },
      { iova: 0x4000_0000n, count: 1n, bitmapBytes: 64n, dirtyBytes: 2n * MIB },
    ]);
    expect(pass(behind, 'dma')[1]).not.toHaveProperty('gpa');
    expect(pass(behind, 'blocking')).toEqual([]);
  });

  it('finds no less for certain than at most, and on type1 with an IOMMU just what is mapped', () => {
    const runs = fc
      .array(fc.record({ gap: fc.bigInt(0n, 50n), pages: fc.constantFrom(1n, 512n), count: fc.bigInt(1n, 40n) }), {
        maxLength: 12,
      })
      .map((rows): MappingRun[] => {
        let next = 0n;
        return rows.map(({ gap, pages, count }) => {
          const size = pages * KIB_4;
          const iova = ((next + gap * KIB_4 + size - 1n) / size) * size;
          next = iova + size * count;
          return { iova, size, count };
        });
      });
    const trackers = fc.constantFrom<Tracker>('type1', 'device', 'iommu', 'none');
    fc.assert(
      fc.property(runs, trackers, fc.boolean(), (mappings, tracker, iommuGroup) => {
        const queries = pass(
          {
            ...machine,
            // A device behind a vIOMMU whose upper range wraps cannot log: virtio-iommu has but one, which is 2^64 long.
            viommu: { model: 'virtio' },
            container: trackedBy(tracker, { kernel: { ...kernel, iommuGroup } }),
            mappings,
          },
          'dma',
        );
        const mapped = totalBytes(mappings);
        const sum = (of: (step: QueryStep) => bigint): bigint => queries.reduce((total, step) => total + of(step), 0n);
        const [least, most] = [sum((step) => step.dirtyBytes), sum((step) => step.dirtyBytesAtMost)];
        expect(least <= most && most <= mapped).toBe(true);
        if (tracker === 'type1') expect([least, most]).toEqual([iommuGroup ? mapped : 0n, mapped]);
        if (tracker === 'type1' || tracker === 'iommu') {
          expect(sum(({ count }) => count)).toBe(totalMappings(mappings));
        }
      }),
    );
  });
});

describe('tracking starts and stops', () => {
  const start = (by: 'migration' | 'dirty-rate'): GuestEvent => ({ type: 'tracking-start', by });
  const stop: GuestEvent = { type: 'tracking-stop' };
  const shown = (steps: Iterable<Step>): string[] =>
    Array.from(steps, (step) => {
      if (step.kind === 'tracking-start')
        return `start ${step.ioctls}${step.failure ? ` ${step.failure.errno} ${step.reaches}` : ''}`;
      return step.kind === 'tracking-stop' ? `stop ${step.ioctls}` : step.kind;
    });
  /** 8 TiB in one mapping, which type1 cannot track. */
  const tooLarge = [{ ...ram, size: 8n << 40n }];
  const as = (release: Release, more: Partial<Machine> = {}): Machine => ({
    ...machine,
    behaviours: behaviours(release),
    ...more,
  });

  it.each<[what: string, given: Machine, events: GuestEvent[], steps: string[]]>([
    ['type1: one call each', machine, [start('migration'), stop], ['start 1', 'stop 1']],
    [
      'devices: one call for each',
      { ...machine, container: trackedBy('device'), sections: [ram] },
      [start('migration'), stop],
      ['start 2', 'stop 2'],
    ],
    [
      'an IOMMU: one call for each page table',
      { ...machine, container: trackedBy('iommu') },
      [start('migration'), stop],
      ['start 3', 'stop 3'],
    ],
    [
      'nobody: no call',
      { ...machine, container: trackedBy('none') },
      [start('migration'), stop],
      ['start 0', 'stop 0'],
    ],
    ['stopping what did not start is nothing', machine, [stop], []],
    ['stopping twice is stopping once', machine, [start('migration'), stop, stop], ['start 1', 'stop 1']],
    ['nothing is asked before it starts', machine, [{ type: 'sync' }], []],
    [
      'starting what has started is nothing',
      machine,
      [start('dirty-rate'), start('migration'), stop],
      ['start 1', 'stop 1'],
    ],
    [
      'a start that fails fails the migration, since 9.1, and leaves nothing to stop or to ask',
      as('9.1', { sections: tooLarge }),
      [start('migration'), { type: 'sync' }, stop],
      ['start 1 EINVAL migration'],
    ],
    [
      'a start that fails fails the migration in 9.0, which stops it then',
      as('9.0', { sections: tooLarge }),
      [start('migration'), stop],
      ['start 1 EINVAL migration', 'stop 0'],
    ],
    [
      'a start that fails is only printed in 7.2',
      as('7.2', { sections: tooLarge }),
      [start('migration'), stop],
      ['start 1 EINVAL printed', 'stop 0'],
    ],
    [
      'a start for a dirty rate that fails is only printed',
      as('10.2', { sections: tooLarge }),
      [start('dirty-rate')],
      ['start 1 EINVAL printed'],
    ],
    [
      'a dirty rate is measured by a sync too, from 10.0 on',
      as('10.0', { sections: [ram] }),
      [start('dirty-rate'), { type: 'sync' }],
      ['start 1', 'query'],
    ],
    ['and not before', as('9.2', { sections: [ram] }), [start('dirty-rate'), { type: 'sync' }], ['start 1']],
    [
      'nothing is asked once it has stopped',
      machine,
      [start('migration'), stop, { type: 'sync' }],
      ['start 1', 'stop 1'],
    ],
    [
      'devices that are to log no section: no call',
      { ...machine, container: trackedBy('device'), sections: [] },
      [start('migration')],
      ['start 0 ENOMEM migration'],
    ],
  ])('%s', (_name, given, events, steps) => {
    expect(shown(run(given, 'identity', ...events))).toEqual(steps);
  });

  it.each<[what: string, given: Partial<Machine>]>([
    ['type1', {}],
    ['an IOMMU', { container: trackedBy('iommu') }],
    ['type1, where a migration runs', { tracking: 'migration' }],
    ['an IOMMU, where a migration runs', { container: trackedBy('iommu'), tracking: 'migration' }],
  ])('the kernel knows, until it stops: %s', (_name, given) => {
    const state = stateIn({ ...machine, ...given }, 'identity');
    const tracked = () =>
      state.host.backend === 'legacy'
        ? [state.host.type1.tracking]
        : [...new Set(state.host.ioas.hwpts.map(({ tracking }) => tracking))];
    expect(tracked()).toEqual([given.tracking === 'migration']);
    Array.from(react(state, start('migration')));
    expect(tracked()).toEqual([true]);
    Array.from(react(state, stop));
    expect(tracked()).toEqual([false]);
  });

  it('type1 says how much kernel memory its bitmaps take', () => {
    const [step] = run({ ...machine, sections: [ram] }, 'identity', start('migration'));
    expect(step).toMatchObject({ tracker: 'type1', kernelBytes: 128n << 10n, ranges: [] });
  });
});

describe('a query that fails', () => {
  const first = (given: Partial<Machine>, by: 'migration' | 'dirty-rate' = 'migration'): Step | undefined =>
    [...run({ ...machine, ...given }, 'identity', { type: 'tracking-start', by }, { type: 'sync' })].find(
      ({ kind }) => kind === 'query',
    );
  const withMemory = (allocatable: bigint): Partial<Machine> => ({ container: { ...container, allocatable } });
  const noMemory = { result: -12, errno: 'ENOMEM', refusedBy: 'allocator' };

  it('for want of memory for its bitmap is not issued, and fails a migration', () => {
    expect(first(withMemory(64n << 10n))).not.toHaveProperty('failure');
    expect(first(withMemory((64n << 10n) - 1n))).toMatchObject({
      bitmapBytes: 0n,
      ioctls: 0,
      dirtyBytes: 0n,
      dirtyBytesAtMost: 0n,
      failure: noMemory,
      reaches: 'migration',
    });
    expect(first(withMemory(0n), 'dirty-rate')).toMatchObject({ failure: noMemory, reaches: 'printed' });
  });

  it('of a section larger than type1’s bitmap covers, which is mapped in blocks: refused by the kernel', () => {
    const blocks: MemorySection = { gpa: 0n, size: 16n << 40n, readOnly: false, blockSize: GIB };
    for (const iommuGroup of [true, false]) {
      const step = first({ sections: [blocks], container: { ...container, kernel: { ...kernel, iommuGroup } } });
      expect(step).toMatchObject({
        ioctls: 1,
        bitmapBytes: 512n * MIB,
        dirtyBytes: 0n,
        dirtyBytesAtMost: 0n,
        failure: { result: -22, errno: 'EINVAL', refusedBy: 'kernel' },
      });
    }
  });

  it('of all 2^64 bytes, whose bitmap C takes for one of 0 bytes: not issued', () => {
    const everything: MappingRun[] = [{ iova: 0n, size: 1n << 64n, count: 1n, gpa: 0n }];
    const behind: Machine = {
      ...machine,
      viommu: { model: 'virtio' },
      container: trackedBy('iommu'),
      mappings: everything,
    };
    expect(pass(behind, 'dma')).toMatchObject([{ ioctls: 0, dirtyBytesAtMost: 0n, failure: noMemory }]);
  });

  it('reads just what it is asked, where that takes several calls', () => {
    const mappings: MappingRun[] = [
      { iova: 0n, size: GIB, count: 12_000n, gpa: 0n },
      { iova: 12_000n * GIB, size: 2n * MIB, count: 4n, gpa: 0n },
    ];
    const state = stateIn({ ...machine, viommu: { model: 'virtio' }, tracking: 'migration', mappings }, 'dma');
    mappingsOf(state.host).take(0n, 0n);
    expect([...react(state, { type: 'sync' })]).toMatchObject([
      { count: 12_000n, dirtyBytes: 11_999n * GIB },
      { count: 4n, dirtyBytes: 8n * MIB },
    ]);
  });

  it('reads many mappings behind a vIOMMU that are together larger than one bitmap covers, each by itself', () => {
    const mappings: MappingRun[] = [{ iova: 0n, size: GIB, count: 16_384n, gpa: 0n }];
    const steps = [
      ...run(
        { ...machine, viommu: { model: 'virtio' }, mappings },
        'dma',
        { type: 'tracking-start', by: 'migration' },
        { type: 'sync' },
      ),
    ];
    const step = steps.find(({ kind }) => kind === 'query');
    expect(step).toMatchObject({
      count: 16_384n,
      bitmapBytes: 32n << 10n,
      dirtyBytes: 16_384n * GIB,
      dirtyBytesAtMost: 16_384n * GIB,
    });
    expect(step).not.toHaveProperty('failure');
  });

  it('of what is mapped in part finds no more than that', () => {
    const device = { ...machine, container: trackedBy('device'), sections: [ram], viommu: { model: 'none' as const } };
    const state = stateIn({ ...device, tracking: 'migration' }, 'identity');
    mappingsOf(state.host).take(0n, 2n * GIB);
    mappingsOf(state.host).add({ iova: GIB, size: MIB, count: 3n });
    expect([...react(state, { type: 'sync' })]).toMatchObject([{ dirtyBytes: 0n, dirtyBytesAtMost: 3n * MIB }]);
  });
});

describe('virtio-mem', () => {
  const virtioMem: MemorySection = { gpa: 4n * GIB, size: GIB, readOnly: false, blockSize: 2n * MIB };
  const plug: GuestEvent = { type: 'plug', section: virtioMem };

  it('is mapped block by block, and queried and unmapped as one, without its dirty bits', () => {
    const steps = [
      ...run(
        machine,
        'identity',
        { type: 'tracking-start', by: 'migration' },
        plug,
        { type: 'sync' },
        { type: 'unplug', gpa: virtioMem.gpa },
      ),
    ];
    expect(steps.find(({ kind }) => kind === 'map')).toMatchObject({ size: 2n * MIB, count: 512n });
    expect(steps.filter(({ kind }) => kind === 'query')).toMatchObject([
      { iova: 0n },
      { iova: virtioMem.gpa, size: GIB, count: 1n, bitmapBytes: 32n << 10n, dirtyBytes: GIB },
    ]);
    expect(steps.find(({ kind }) => kind === 'unmap')).toMatchObject({
      size: GIB,
      count: 1n,
      bitmapBytes: 0n,
      unmappedBytes: GIB,
      dirtyBytesLost: GIB,
    });
  });

  it('takes one of the DMA entries for each block', () => {
    const state = stateIn({ ...machine, sections: [ram, virtioMem] }, 'identity');
    expect(totalMappings(mappingsOf(state.host))).toBe(513n);
  });
});

describe('what a container holds when it is found', () => {
  const held = (given: Partial<Container>, sections = machine.sections) => {
    const { host } = stateIn({ ...machine, container: { ...container, ...given }, sections }, 'identity');
    return { mappings: totalMappings(mappingsOf(host)), ...lockedBytes(host) };
  };
  const memory = ram.size + rom.size;

  it.each<[name: string, given: Partial<Container>, expected: ReturnType<typeof held>]>([
    ['type1 locks all but BARs', {}, { mappings: 3n, now: memory, atMost: memory }],
    [
      'mediated devices alone lock nothing yet',
      { kernel: { ...kernel, iommuGroup: false } },
      { mappings: 3n, now: 0n, atMost: memory },
    ],
    ['iommufd maps no BARs', { backend: 'iommufd' }, { mappings: 2n, now: memory, atMost: memory }],
    [
      'nor does it with page tables that track',
      { backend: 'iommufd', tracker: 'iommu', trackingHwpts: 3 },
      { mappings: 2n, now: memory, atMost: memory },
    ],
    [
      'mediated devices alone on iommufd',
      { backend: 'iommufd', kernel: { ...kernel, iommuGroup: false } },
      { mappings: 3n, now: 0n, atMost: memory + bar.size },
    ],
  ])('%s', (_name, given, expected) => {
    expect(held(given)).toEqual(expected);
  });

  it.each<[name: string, limit: Partial<HostKernel>, section: MemorySection, failure: object | undefined]>([
    ['an entry is left', { dmaEntryLimit: 4n }, { ...ram, gpa: 4n * GIB }, undefined],
    ['no entry is left', { dmaEntryLimit: 3n }, { ...ram, gpa: 4n * GIB }, { result: -28, errno: 'ENOSPC' }],
    ['fewer entries than are taken', { dmaEntryLimit: 1n }, { ...ram, gpa: 4n * GIB }, { errno: 'ENOSPC' }],
    ['just enough memory may be locked', { memlockLimit: memory + ram.size }, { ...ram, gpa: 4n * GIB }, undefined],
    [
      'a page more than may be locked',
      { memlockLimit: memory + ram.size - KIB_4 },
      { ...ram, gpa: 4n * GIB },
      { result: -12, errno: 'ENOMEM' },
    ],
    ['a BAR, which is not locked', { memlockLimit: memory }, { ...bar, gpa: 4n * GIB }, undefined],
  ])('%s', (_name, limit, section, failure) => {
    const limited = { ...machine, container: { ...container, kernel: { ...kernel, ...limit } } };
    const step = [...run(limited, 'identity', { type: 'plug', section })].find(({ kind }) => kind === 'map');
    expect(step?.kind === 'map' && step.failure).toEqual(failure && expect.objectContaining(failure));
  });

  it('gives back just what it took', () => {
    const state = stateIn({ ...machine, tracking: 'migration' }, 'identity');
    const steps = machine.sections.flatMap(({ gpa }) => [...react(state, { type: 'unplug', gpa })]);
    expect(steps.filter(({ kind }) => kind === 'unmap')).toHaveLength(3);
    expect(lockedBytes(state.host)).toEqual({ now: 0n, atMost: 0n });
    expect(state.host.backend === 'legacy' && state.host.type1).toMatchObject({
      bitmapBytes: 0n,
      entriesLeft: 1n << 64n,
    });
  });
});
