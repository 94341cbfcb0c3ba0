import { describe, expect, test } from 'vitest';
import type { GuestEvent } from '../../../src/simulator/events.ts';
import { type MappingRun, MappingRuns } from '../../../src/simulator/mapping-runs.ts';
import { simulate, type SimulatedMachine } from '../../../src/simulator/simulate.ts';
import { announce, apartFromZero, type Notifier, noticeOf } from '../../../src/simulator/viommu/notifier.ts';
import { unmapTracked, unmapWhole } from '../../../src/simulator/viommu/intel.ts';
import { intelNotifiers } from '../../../src/simulator/viommu/sections.ts';
import { type1Machine } from '../type1-machine.ts';

const PAGE = 0x1000n;
const GIB = 1n << 30n;

test.each<[notifier: string, start: bigint, end: bigint, unmaps: number]>([
  ['a page', PAGE, 2n * PAGE - 1n, 1],
  ['half a page', PAGE, PAGE + PAGE / 2n - 1n, 0],
  ['the last page of its 39 bits, and all above', (1n << 39n) - PAGE, (1n << 64n) - 1n, 1],
  ['nothing of its 39 bits', 1n << 39n, (1n << 64n) - 1n, 0],
])('a notifier of %s', (_, start, end, unmaps) => {
  expect([...unmapWhole({ start, end }, 39)]).toHaveLength(unmaps);
});

test.each<[where: string, page: bigint, pages: bigint, unmaps: number]>([
  ['at the end of the lower notifier: at once', 0xfedf8n, 8n, 1],
  ['just below the upper one, between the two: neither hears of it, and it is not forgotten', 0xfeeffn, 1n, 0],
])('the tracked loop as merged, of mappings %s', (_, page, pages, unmaps) => {
  const run = { iova: page * PAGE, size: PAGE, count: pages, gpa: 0x4000_0000n };
  const tree = new MappingRuns([run]);
  const told = intelNotifiers.flatMap((notifier) => [...unmapTracked(notifier, tree, 'tracked-end-as-size')]);
  expect(told).toEqual(unmaps === 1 ? [noticeOf(run)] : []);
  expect([...tree]).toEqual(unmaps === 1 ? [] : [run]);
});

describe('what a notifier hears of a run of mappings', () => {
  /** First page, pages of each, how many, and the page that the first maps. */
  type Pages = [page: bigint, pages: bigint, count: bigint, address?: bigint];
  const run = ([page, pages, count, address]: Pages): MappingRun => ({
    iova: page * PAGE,
    size: pages * PAGE,
    count,
    ...(address !== undefined && { gpa: address * PAGE }),
  });
  const notifier: Notifier = { start: 100n * PAGE, end: 200n * PAGE - 1n };

  test.each<[run: string, Pages, notices: Pages[]]>([
    ['inside', [110n, 4n, 5n, 1000n], [[110n, 4n, 5n, 1000n]]],
    ['of which no address is known', [110n, 4n, 5n], [[110n, 4n, 5n]]],
    ['that fills it', [100n, 10n, 10n, 1000n], [[100n, 10n, 10n, 1000n]]],
    ['below', [90n, 2n, 5n, 1000n], []],
    ['above', [200n, 2n, 5n, 1000n], []],
    ['that begins below, on a border', [90n, 5n, 4n, 1000n], [[100n, 5n, 2n, 1010n]]],
    [
      'that begins below, across the border',
      [94n, 4n, 4n, 1000n],
      [
        [100n, 2n, 1n, 1004n],
        [102n, 4n, 2n, 1008n],
      ],
    ],
    ['that ends above, on a border', [190n, 5n, 4n, 1000n], [[190n, 5n, 2n, 1000n]]],
    [
      'that ends above, across the border',
      [190n, 4n, 4n, 1000n],
      [
        [190n, 4n, 2n, 1000n],
        [198n, 2n, 1n, 1008n],
      ],
    ],
    ['of one, that reaches out above', [190n, 20n, 1n, 1000n], [[190n, 10n, 1n, 1000n]]],
    ['of one, that reaches out below', [90n, 20n, 1n, 1000n], [[100n, 10n, 1n, 1000n]]],
    ['of one, that reaches out on both sides', [50n, 300n, 1n, 1000n], [[100n, 100n, 1n, 1000n]]],
    [
      'of three, the outer ones of which reach out',
      [90n, 40n, 3n, 1000n],
      [
        [100n, 30n, 1n, 1000n],
        [130n, 40n, 1n, 1040n],
        [170n, 30n, 1n, 1080n],
      ],
    ],
    [
      'of two, which both reach out',
      [60n, 80n, 2n, 1000n],
      [
        [100n, 40n, 1n, 1000n],
        [140n, 60n, 1n, 1080n],
      ],
    ],
  ])('%s', (_, pages, notices) => {
    expect([...announce(run(pages), notifier)]).toEqual(notices.map((notice) => noticeOf(run(notice))));
  });

  test.each<[notice: string, Pages, notices: Pages[]]>([
    ['one at address 0', [10n, 2n, 1n, 0n], [[10n, 2n, 1n, 0n]]],
    ['several elsewhere', [10n, 2n, 5n, 7n], [[10n, 2n, 5n, 7n]]],
    ['several of which no address is known', [10n, 2n, 5n], [[10n, 2n, 5n]]],
    [
      'several from address 0 on',
      [10n, 2n, 5n, 0n],
      [
        [10n, 2n, 1n, 0n],
        [12n, 2n, 4n, 2n],
      ],
    ],
  ])('%s, the first apart where its address reads as none', (_, pages, notices) => {
    expect([...apartFromZero(noticeOf(run(pages)))]).toEqual(notices.map((notice) => noticeOf(run(notice))));
  });
});

describe('dirty bits that an unmap reads are credited to the memory that was mapped', () => {
  /** 2 GiB below the hole, 4 GiB above it, which QEMU keeps behind each other. */
  const machine: SimulatedMachine = {
    ...type1Machine,
    viommu: { model: 'intel', addressWidth: 48, scalableMode: false, firstStage: false },
    domain: 'dma',
    sections: [
      { gpa: 0n, size: GIB / 2n, readOnly: false, ramAddress: 0n },
      { gpa: GIB / 2n, size: 3n * (GIB / 2n), readOnly: false, ramAddress: GIB / 2n },
      { gpa: 4n * GIB, size: 4n * GIB, readOnly: false, ramAddress: 2n * GIB },
      { gpa: 64n * GIB, size: GIB, readOnly: false },
    ],
  };
  const whole = { ...machine.behaviours, domainUnmap: 'whole' } as const;
  const mailed = { ...machine.behaviours, domainUnmap: 'tracked-while-migrating' } as const;
  const { tracked, leave } = {
    tracked: machine.behaviours,
    leave: { type: 'switch', to: 'blocking' },
  } satisfies { tracked: SimulatedMachine['behaviours']; leave: GuestEvent };
  const at = (iova: bigint, gpa: bigint | undefined, count = 1n, size = PAGE): MappingRun =>
    gpa === undefined ? { iova, size, count } : { iova, size, count, gpa };
  const lost = (
    behaviours: SimulatedMachine['behaviours'],
    mappings: readonly MappingRun[],
    event: GuestEvent,
  ): bigint =>
    simulate({ ...machine, behaviours, mappings }, [event]).steps.reduce(
      (sum, step) => sum + (step.kind === 'unmap' ? step.dirtyBytesLost : 0n),
      0n,
    );

  test.each<[memory: string, SimulatedMachine['behaviours'], mappings: MappingRun[], pages: bigint, GuestEvent?]>([
    ['below 4 GiB', tracked, [at(16n * GIB, GIB, 8n)], 0n],
    ['above 4 GiB, which is elsewhere in RAM: all lost', tracked, [at(16n * GIB, 4n * GIB, 8n)], 8n],
    ['a device’s, which is no RAM: as it stands', tracked, [at(16n * GIB, 64n * GIB, 8n)], 0n],
    ['that nobody says: taken to be right', tracked, [at(16n * GIB, undefined, 8n)], 0n],
    ['from address 0 on', tracked, [at(16n * GIB, 0n, 8n)], 0n],
    ['in a hole', tracked, [at(16n * GIB, 3n * GIB, 8n)], 0n],
    [
      'across the end of the lower RAM, in one mapping: its pages are one by one',
      tracked,
      [at(16n * GIB, 2n * GIB - PAGE, 2n)],
      0n,
    ],
    ['across the beginning of the upper one', tracked, [at(16n * GIB, 4n * GIB - PAGE, 3n)], 2n],
    ['all to address 0, as mailed: all but the first page', mailed, [at(GIB, 0n, 8n)], 7n],
    ['all to address 0, as mailed, of memory elsewhere', mailed, [at(GIB, GIB, 8n)], 8n],
    ['all to address 0, in pieces of the aperture: what begins a piece', whole, [at(16n * GIB, 0n, 8n)], 0n],
    ['all to address 0, in pieces of the aperture: none of what lies elsewhere', whole, [at(16n * GIB, GIB, 8n)], 8n],
    ['all to address 0, in pieces of the aperture: nothing of a hole', whole, [at(16n * GIB + PAGE, 0n, 8n)], 8n],
    [
      'all to address 0, in an unmap of the guest’s that leaves a hole',
      tracked,
      [at(16n * GIB, 0n, 2n)],
      1n,
      { type: 'unmap', iova: 16n * GIB, size: 2n * PAGE },
    ],
    [
      'and by where the entry points now, where another takes its place',
      tracked,
      [at(16n * GIB, GIB)],
      1n,
      { type: 'map', mappings: [at(16n * GIB, 3n * PAGE)] },
    ],
    [
      'and so right, where a large page of the same memory takes the place of small ones',
      tracked,
      [at(16n * GIB, GIB, 8n)],
      0n,
      { type: 'map', mappings: [at(16n * GIB, GIB, 1n, 512n * PAGE)] },
    ],
  ])('%s', (_, behaviours, mappings, pages, event = leave) => {
    expect(lost(behaviours, mappings, event) / PAGE).toBe(pages);
  });

  test.each<[what: string, pages: bigint, address: bigint, credited: bigint]>([
    ['the first page of the second one', 512n, 0n, 512n],
    ['the middle of the second one', 768n, 0n, 0n],
    ['the middle of the second one, whose middle it is', 768n, 256n, 256n],
    ['the last quarter of the second one, where its last quarter is not', 896n, 128n, 0n],
  ])('all to address 0, as mailed, of three large pages of which RAM begins at %s', (_, pages, address, credited) => {
    const sections = [
      { gpa: 0n, size: GIB, readOnly: false, ramAddress: 16n * GIB },
      { gpa: GIB, size: GIB, readOnly: false, ramAddress: address * PAGE },
    ];
    const large = at(GIB, GIB - pages * PAGE, 3n, 512n * PAGE);
    const { steps } = simulate({ ...machine, sections, behaviours: mailed, mappings: [large] }, [leave]);
    expect(steps).toMatchObject([{ kind: 'unmap', dirtyBytesLost: (1536n - credited) * PAGE }]);
  });
});
