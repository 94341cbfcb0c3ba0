import { describe, expect, test } from 'vitest';
import { adopt, type HostKernel, mappingsOf, RECENT_KERNEL } from '../../../src/simulator/container/host.ts';
import { mapRun, type MapStep } from '../../../src/simulator/container/map-step.ts';
import type { Container } from '../../../src/simulator/container/unmap.ts';
import { carryOut, type UnmapRequest } from '../../../src/simulator/container/unmap-step.ts';
import type { Machine } from '../../../src/simulator/machine.ts';
import { type MappingRun, runBytes } from '../../../src/simulator/mapping-runs.ts';
import { type State, stateIn } from '../../../src/simulator/state.ts';
import { ADDRESS_SPACE } from '../../../src/simulator/uint64.ts';
import { type1Machine } from '../type1-machine.ts';

const PAGE = 4096n;

const machine: Machine = {
  ...type1Machine,
  behaviours: { ...type1Machine.behaviours, domainUnmap: 'whole', unmapAll: 'flag' },
  viommu: { model: 'virtio' },
};

/** `count` mappings of `pages` pages each, from the page of that number on. */
const at = (page: bigint, pages = 1n, count = 1n): MappingRun => ({
  iova: page * PAGE,
  size: pages * PAGE,
  count,
  gpa: (0x1000n + page) * PAGE,
});

/** A container that holds `mappings`. */
function stateOf(
  mappings: readonly MappingRun[],
  container: Partial<Container> = {},
  more: Partial<Machine> = {},
): State {
  const state = stateIn({ ...machine, container: { ...machine.container, ...container }, ...more }, 'dma');
  for (const run of mappings) adopt(state.host, run);
  return state;
}
const kernel = (more: Partial<HostKernel>): Partial<Container> => ({ kernel: { ...RECENT_KERNEL, ...more } });

describe('a row of maps, of which the kernel refuses some', () => {
  /** Number of the first page, number of maps, and what the kernel says to them. */
  type Outcome = [page: bigint, count: bigint, errno?: string];
  const outcome = ({ iova, count, failure }: MapStep): Outcome =>
    failure ? [iova / PAGE, count, failure.errno] : [iova / PAGE, count];

  test.each<[limit: string, mapped: MappingRun[], container: Partial<Container>, run: MappingRun, Outcome[]]>([
    ['none', [], {}, at(10n, 1n, 4n), [[10n, 4n]]],
    [
      'two mappings are left: those after them are refused alike',
      [],
      kernel({ dmaEntryLimit: 2n }),
      at(10n, 1n, 4n),
      [
        [10n, 2n],
        [12n, 2n, 'ENOSPC'],
      ],
    ],
    [
      'three mappings may be locked',
      [],
      kernel({ memlockLimit: 7n * PAGE }),
      at(10n, 2n, 6n),
      [
        [10n, 3n],
        [16n, 3n, 'ENOMEM'],
      ],
    ],
    [
      'the aperture ends: each is refused by itself',
      [],
      kernel({ iovaRanges: [{ iova: 0n, size: 12n * PAGE }] }),
      at(10n, 1n, 4n),
      [
        [10n, 2n],
        [12n, 1n, 'EINVAL'],
        [13n, 1n, 'EINVAL'],
      ],
    ],
    [
      'the aperture ends, whatever lies behind it',
      [at(20n)],
      kernel({ iovaRanges: [{ iova: 0n, size: 12n * PAGE }] }),
      at(10n, 1n, 4n),
      [
        [10n, 2n],
        [12n, 1n, 'EINVAL'],
        [13n, 1n, 'EINVAL'],
      ],
    ],
    [
      'a forgotten mapping is in the way: those behind it are made',
      [at(12n)],
      {},
      at(10n, 1n, 4n),
      [
        [10n, 2n],
        [12n, 1n, 'EEXIST'],
        [13n, 1n],
      ],
    ],
    [
      'a large one is in the way of many',
      [at(12n, 512n)],
      {},
      at(11n, 1n, 514n),
      [
        [11n, 1n],
        [12n, 512n, 'EEXIST'],
        [524n, 1n],
      ],
    ],
    [
      'small ones, back to back, are in the way of two',
      [at(13n, 1n, 2n)],
      {},
      at(10n, 2n, 4n),
      [
        [10n, 1n],
        [12n, 2n, 'EEXIST'],
        [16n, 1n],
      ],
    ],
    ['a large one is in the way of all', [at(0n, 512n)], {}, at(10n, 1n, 4n), [[10n, 4n, 'EEXIST']]],
    [
      'a forgotten one is in the way, on iommufd',
      [at(11n)],
      { backend: 'iommufd' },
      at(10n, 1n, 3n),
      [
        [10n, 1n],
        [11n, 1n, 'EEXIST'],
        [12n, 1n],
      ],
    ],
  ])('%s', (_, mapped, container, run, expected) => {
    const state = stateOf(mapped, container);
    const steps = [...mapRun(state, run, 'viommu')];
    expect(steps.map(outcome)).toEqual(expected);
    for (const step of steps) expect(step).toMatchObject({ cause: 'viommu', size: run.size, readOnly: false });
    for (const step of steps) expect(step.reaches).toBe(step.failure && 'printed');
    for (const { iova, gpa } of mappingsOf(state.host)) expect(gpa).toBe(at(iova / PAGE).gpa);
  });

  test('a run of which no guest address is known has none in the container either', () => {
    for (const backend of ['legacy', 'iommufd'] as const) {
      const state = stateOf([at(1n)], { backend });
      const { gpa: _none, ...run } = at(0n, 1n, 3n);
      expect([...mapRun(state, run, 'viommu')].map(outcome)).toEqual([
        [0n, 1n],
        [1n, 1n, 'EEXIST'],
        [2n, 1n],
      ]);
      expect([...mappingsOf(state.host)].map((mapping) => 'gpa' in mapping)).toEqual([false, true, false]);
    }
  });

  test('of a section ends QEMU, unless it is of a device’s memory, which iommufd cannot pin', () => {
    const reached = (deviceMemory: boolean) => {
      const state = stateOf([at(0n)], { backend: 'iommufd' });
      return [...mapRun(state, at(0n, 1n, 3n), 'section', { readOnly: true, deviceMemory })];
    };
    expect(reached(false)).toMatchObject([{ failure: { result: -17 }, reaches: 'abort' }, { count: 2n }]);
    expect(reached(true)).toMatchObject([
      { failure: { result: -17 }, reaches: 'printed' },
      { failure: { result: -14, errno: 'EFAULT' }, count: 2n },
    ]);
    for (const step of reached(false)) expect(step.readOnly).toBe(true);
  });
});

describe('a row of unmaps', () => {
  const request = (run: MappingRun, more: Partial<UnmapRequest> = {}): UnmapRequest => ({
    cause: 'viommu',
    named: true,
    creditedBytes: runBytes,
    ...run,
    ...more,
  });
  const steps = (state: State, run: MappingRun, more: Partial<UnmapRequest> = {}) => [
    ...carryOut(state, request(run, more)),
  ];

  /** Number of the first page, number of unmaps, pages that went, and what the kernel says. */
  type Outcome = [page: bigint, count: bigint, pages: bigint, errno?: string | undefined];

  test.each<[mapped: string, MappingRun[], run: MappingRun, Outcome[]]>([
    ['nothing', [], at(10n, 2n, 3n), [[10n, 3n, 0n]]],
    ['a page in each', [at(10n), at(12n), at(15n)], at(10n, 2n, 3n), [[10n, 3n, 3n]]],
    ['every page', [at(10n, 1n, 6n)], at(10n, 2n, 3n), [[10n, 3n, 6n]]],
    ['a mapping that fills one', [at(12n, 2n)], at(10n, 2n, 3n), [[10n, 3n, 2n]]],
    ['two that fill one each', [at(12n, 2n, 2n)], at(10n, 2n, 3n), [[10n, 3n, 4n]]],
    ['one of three pages that ends one of four', [at(12n, 3n)], at(11n, 4n, 3n), [[11n, 3n, 3n]]],
    ['mappings of three pages in unmaps of six', [at(10n, 3n, 4n)], at(10n, 6n, 2n), [[10n, 2n, 12n]]],
    [
      'one across the border of two: both refused',
      [at(11n, 2n), at(15n)],
      at(10n, 2n, 3n),
      [
        [10n, 1n, 0n, 'EINVAL'],
        [12n, 1n, 0n, 'EINVAL'],
        [14n, 1n, 1n],
      ],
    ],
    [
      'mappings of three pages in unmaps of four',
      [at(10n, 3n, 4n)],
      at(10n, 4n, 3n),
      [
        [10n, 1n, 0n, 'EINVAL'],
        [14n, 1n, 0n, 'EINVAL'],
        [18n, 1n, 0n, 'EINVAL'],
      ],
    ],
    [
      'mappings of two pages, each across a border',
      [at(11n, 2n, 2n)],
      at(10n, 2n, 3n),
      [
        [10n, 1n, 0n, 'EINVAL'],
        [12n, 1n, 0n, 'EINVAL'],
        [14n, 1n, 0n, 'EINVAL'],
      ],
    ],
    [
      'one that begins before the first',
      [at(9n, 2n), at(12n)],
      at(10n, 2n, 2n),
      [
        [10n, 1n, 0n, 'EINVAL'],
        [12n, 1n, 1n],
      ],
    ],
    [
      'one that ends behind the last',
      [at(10n), at(13n, 2n)],
      at(10n, 2n, 2n),
      [
        [10n, 1n, 1n],
        [12n, 1n, 0n, 'EINVAL'],
      ],
    ],
  ])('over %s', (_, mapped, run, expected) => {
    const made = steps(stateOf(mapped), run);
    expect(
      made.map(({ iova, count, unmappedBytes, failure }): Outcome => {
        const unmapped = unmappedBytes / PAGE;
        return failure ? [iova / PAGE, count, unmapped, failure.kernelErrno] : [iova / PAGE, count, unmapped];
      }),
    ).toEqual(expected);
    for (const step of made)
      expect(step).toMatchObject({ size: run.size, flags: 1, bitmapBytes: 8n, dirtyBytesLost: 0n });
  });

  test('what the kernel refuses reads as −1 with a bitmap, as its errno without, and on iommufd as done', () => {
    const cut = [at(0n, 2n)];
    const refused = (container: Partial<Container>, more: Partial<UnmapRequest>, machineToo: Partial<Machine> = {}) =>
      steps(stateOf(cut, container, machineToo), at(0n), more)[0];
    expect(refused({}, {})).toMatchObject({
      failure: { result: -1, errno: 'EPERM', kernelErrno: 'EINVAL', refusedBy: 'kernel' },
      reaches: 'migration',
      unmappedBytes: 0n,
    });
    expect(refused({}, { named: false })).toMatchObject({
      failure: { result: -22, errno: 'EINVAL', kernelErrno: 'EINVAL', refusedBy: 'kernel' },
      reaches: 'migration',
    });
    expect(refused({}, { cause: 'section' })).toMatchObject({ failure: { result: -1 }, reaches: 'printed' });
    expect(refused({}, {}, { tracking: 'dirty-rate' })).toMatchObject({ failure: { result: -1 }, reaches: 'printed' });
    const onIommufd = refused({ backend: 'iommufd', tracker: 'iommu', trackingHwpts: 1 }, {});
    expect(onIommufd).toMatchObject({ kernelErrno: 'ENOENT', ioctls: 2, unmappedBytes: 0n });
    expect(onIommufd).not.toHaveProperty('failure');
    expect(steps(stateOf(cut), at(0n, 2n))[0]).not.toHaveProperty('kernelErrno');
  });

  test('everything goes in one call, where QEMU and the kernel have that, or in two halves', () => {
    const last = { ...at(0n), iova: ADDRESS_SPACE - PAGE };
    const everything = { iova: 0n, size: ADDRESS_SPACE, count: 1n };
    const section = { cause: 'section', named: false } as const;
    const halves = [
      { iova: 0n, size: 1n << 63n, flags: 0, unmappedBytes: PAGE },
      { iova: 1n << 63n, size: 1n << 63n, flags: 0, unmappedBytes: PAGE },
    ];
    const taken = (container: Partial<Container>, unmapAll: 'flag' | 'halves' = 'flag') =>
      steps(
        stateOf([at(0n), last], container, { behaviours: { ...machine.behaviours, unmapAll } }),
        everything,
        section,
      );
    const linux510 = kernel({ abilities: { ...RECENT_KERNEL.abilities, unmapAll: false } });
    expect(taken({})).toMatchObject([{ size: ADDRESS_SPACE, flags: 2, unmappedBytes: 2n * PAGE }]);
    expect(taken({ backend: 'iommufd' })).toMatchObject([{ size: ADDRESS_SPACE, flags: 0, unmappedBytes: 2n * PAGE }]);
    expect(taken({}, 'halves')).toMatchObject(halves);
    expect(taken(linux510)).toMatchObject(halves);
  });

  test.each<
    [what: string, more: Partial<UnmapRequest>, machine: Partial<Machine>, container: Partial<Container>, bigint]
  >([
    ['whose bits are read', {}, {}, {}, 0n],
    ['whose bits go to other memory', { creditedBytes: () => 0n }, {}, {}, 2n * PAGE],
    ['that names nothing', { named: false }, {}, {}, 2n * PAGE],
    ['that names nothing, of memory that a device cannot write', { named: false, readOnly: true }, {}, {}, 0n],
    ['while nothing is tracked', { named: false }, { tracking: 'off' }, {}, 0n],
    ['whose bitmap is refused, so that nothing goes', {}, {}, { allocatable: 0n }, 0n],
    ['whose bitmap for devices is refused, and which goes', {}, {}, { allocatable: 0n, tracker: 'device' }, 2n * PAGE],
  ])('an unmap %s: dirty bytes lost', (_, more, machineToo, container, lost) => {
    const [step] = steps(stateOf([at(0n, 2n)], container, machineToo), at(0n, 2n), more);
    expect(step?.dirtyBytesLost).toBe(lost);
  });

  test('asks for no bits where tracking was to start and did not, in the releases that ask whether it started', () => {
    const asked = (bitmapGate: 'devices-running' | 'tracking-started') => {
      const state = stateOf([at(0n)], {}, { behaviours: { ...machine.behaviours, bitmapGate } });
      state.started = false;
      return steps(state, at(0n))[0]?.flags;
    };
    expect([asked('devices-running'), asked('tracking-started')]).toEqual([1, 0]);
  });
});
