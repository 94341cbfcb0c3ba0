import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { qemuBehaviours, qemuReleases } from '../../src/platform/qemu.ts';
import { parseVersion, type Release, type Version } from '../../src/platform/version.ts';
import {
  type Figures,
  figuresOf,
  type GuestEvent,
  mappingsOf,
  react,
  type MappingRun,
  type MapStep,
  type MemorySection,
  simulate,
  type SimulatedMachine,
  type Step,
  totalBytes,
  type UnmapStep,
  type Viommu,
} from '../../src/simulator/index.ts';
import { leftMapped as leftIn, stateIn, tableOf } from '../../src/simulator/state.ts';
import { type1Machine } from './type1-machine.ts';

const TIB = 1n << 40n;
const KIB_4 = 1n << 12n;

const behaviours = (release: Release) => qemuBehaviours(parseVersion(release) as Version) ?? never(release);
const never = (what: string): never => {
  throw new Error(what);
};

const intel: Viommu = { model: 'intel', addressWidth: 48, scalableMode: false, firstStage: false };
const sections: readonly MemorySection[] = [
  { gpa: 0n, size: 0x8000_0000n, readOnly: false, ramAddress: 0n },
  { gpa: 0xfffc_0000n, size: 0x4_0000n, readOnly: true },
];
/** One mapping below the interrupt window, one above it. */
const low: MappingRun = { iova: 0x1000n, size: KIB_4, count: 1n, gpa: 0x5000n };
const high: MappingRun = { iova: 0x1_2345_6000n, size: KIB_4, count: 1n, gpa: 0x6000n };

const newest: SimulatedMachine = {
  behaviours: behaviours('11.1'),
  viommu: intel,
  container: type1Machine.container,
  tracking: 'migration',
  domain: 'dma',
  mappings: [low, high],
  sections,
};
const on = (more: Partial<SimulatedMachine>): SimulatedMachine => ({ ...newest, ...more });
const as = (release: Release, more: Partial<SimulatedMachine> = {}): SimulatedMachine =>
  on({ behaviours: behaviours(release), ...more });
const iommufd = { ...newest.container, backend: 'iommufd' } as const;

const toBlocking: GuestEvent = { type: 'switch', to: 'blocking' };
const toIdentity: GuestEvent = { type: 'switch', to: 'identity' };
const toDma = (...mappings: MappingRun[]): GuestEvent => ({ type: 'switch', to: 'dma', mappings });

const unmapsOf = (steps: readonly Step[]): UnmapStep[] => steps.filter((step) => step.kind === 'unmap');
const mapsOf = (steps: readonly Step[]): MapStep[] => steps.filter((step) => step.kind === 'map');
const runBytes = ({ size, count }: MappingRun): bigint => size * count;
const kinds = (steps: readonly Step[]): string[] => steps.map(({ kind }) => kind);

describe('a guest that leaves its DMA domain for blocking while a migration runs, by release', () => {
  const expected: Record<string, Partial<Figures>> = {
    '7.2': { unmapCalls: 28n, bitmaps: 24n + 4n, failures: 4n, leftMappedBytes: 0n },
    '8.0': { unmapCalls: 28n, bitmaps: 28n, failures: 4n, leftMappedBytes: 0n },
    '8.1': { unmapCalls: 28n, bitmaps: 28n, failures: 4n, leftMappedBytes: 0n },
    '8.2': { unmapCalls: 28n, bitmaps: 28n, failures: 4n, leftMappedBytes: 0n },
    '9.0': { unmapCalls: 28n, bitmaps: 28n, failures: 4n, leftMappedBytes: 0n },
    '9.1': { unmapCalls: 28n, bitmaps: 28n, failures: 4n, leftMappedBytes: 0n },
    '10.0': { unmapCalls: 28n, bitmaps: 28n, failures: 4n, leftMappedBytes: 0n },
    '10.1': { unmapCalls: 28n, bitmaps: 28n, failures: 4n, leftMappedBytes: 0n },
    '10.2': { unmapCalls: 28n, bitmaps: 28n, failures: 4n, leftMappedBytes: 0n },
    '11.0': { unmapCalls: 1n, bitmaps: 1n, failures: 0n, leftMappedBytes: KIB_4 },
    '11.1': { unmapCalls: 1n, bitmaps: 1n, failures: 0n, leftMappedBytes: KIB_4 },
  };

  it('is told for every release that behaves unlike the one before', () => {
    expect(Object.keys(expected).toSorted()).toEqual(qemuReleases.toSorted());
  });

  it.each(Object.entries(expected))('%s', (release, figures) => {
    expect(figuresOf(simulate(as(release as Release), [toBlocking]))).toMatchObject(figures);
  });
});

describe('what a switch costs', () => {
  const virtio: Viommu = { model: 'virtio' };
  const amd: Viommu = { model: 'amd' };
  const cases: [string, SimulatedMachine, GuestEvent[], Partial<Figures>][] = [
    [
      'intel, tracking off: the whole aperture',
      on({ tracking: 'off' }),
      [toBlocking],
      { unmapCalls: 28n, bitmaps: 0n },
    ],
    [
      'intel, 39 bits',
      as('10.2', { viommu: { ...intel, addressWidth: 39 }, mappings: [low] }),
      [toBlocking],
      { unmapCalls: 19n, failures: 0n },
    ],
    [
      'intel, live replace: unmapped once, not twice',
      on({ tracking: 'off' }),
      [toDma(low)],
      { unmapCalls: 28n, mapCalls: 1n },
    ],
    [
      'intel, blocked again: the whole aperture',
      on({ tracking: 'off', domain: 'blocking' }),
      [{ type: 'attach', to: 'blocking' }],
      { unmapCalls: 28n },
    ],
    [
      'intel, blocking to DMA: maps alone',
      on({ domain: 'blocking' }),
      [toDma(low, high)],
      { unmapCalls: 0n, mapCalls: 2n },
    ],
    [
      'intel, identity to DMA: sections, then an empty aperture',
      as('10.2', { domain: 'identity' }),
      [toDma()],
      { unmapCalls: 30n, failures: 4n },
    ],
    [
      'intel, identity to DMA in 11.1: sections, one with a bitmap',
      on({ domain: 'identity' }),
      [toDma()],
      { unmapCalls: 2n, bitmaps: 1n },
    ],
    [
      'intel, identity to DMA in scalable mode',
      on({ tracking: 'off', domain: 'identity', viommu: { ...intel, scalableMode: true } }),
      [toDma()],
      { unmapCalls: 2n },
    ],
    [
      'intel, first stage on iommufd',
      on({ container: iommufd, viommu: { ...intel, scalableMode: true, firstStage: true } }),
      [toBlocking, toDma(low)],
      { unmapCalls: 0n, mapCalls: 0n },
    ],
    ['amd: 44 pieces, 20 of them too large', on({ viommu: amd }), [toBlocking], { unmapCalls: 44n, failures: 20n }],
    [
      'amd, all contexts invalidated: the same, and all mapped again',
      on({ viommu: amd, tracking: 'off' }),
      [{ type: 'invalidate', scope: 'context-global' }],
      { unmapCalls: 44n, mapCalls: 2n },
    ],
    [
      'amd, a system reset: the same, then two sections, and what an identity domain maps',
      on({ viommu: amd, tracking: 'off' }),
      [{ type: 'system-reset' }],
      { unmapCalls: 46n, mapCalls: 2n },
    ],
    [
      'intel, blocked by a switch, and all invalidated: the whole aperture twice',
      on({ tracking: 'off' }),
      [toBlocking, { type: 'invalidate', scope: 'iotlb-global' }],
      { unmapCalls: 56n },
    ],
    [
      'intel, translation turned on after a reset: still blocked',
      on({ tracking: 'off' }),
      [{ type: 'system-reset' }, { type: 'translation', on: true }, { type: 'invalidate', scope: 'iotlb-global' }],
      { unmapCalls: 28n + 2n + 2n + 28n, mapCalls: 2n },
    ],
    [
      'intel, translation turned on again: all unmapped, and mapped when its domain is invalidated',
      on({ tracking: 'off' }),
      [
        { type: 'translation', on: true },
        { type: 'invalidate', scope: 'iotlb-domain' },
      ],
      { unmapCalls: 28n, mapCalls: 2n },
    ],
    ['intel, blocked already', on({ tracking: 'off', domain: 'blocking' }), [toBlocking], { unmapCalls: 0n }],
    [
      'intel, in the identity domain already',
      on({ tracking: 'off', domain: 'identity' }),
      [toIdentity],
      { unmapCalls: 0n, mapCalls: 0n },
    ],
    ['amd, bypass: the same, then two sections', on({ viommu: amd }), [toIdentity], { unmapCalls: 90n }],
    [
      'virtio: each mapping, then everything at once',
      on({ viommu: virtio }),
      [toIdentity],
      { unmapCalls: 3n, bitmaps: 2n, mapCalls: 2n },
    ],
    ['virtio in 10.0: everything in two halves', as('10.0', { viommu: virtio }), [toIdentity], { unmapCalls: 4n }],
    ['virtio, replace: through system memory', on({ viommu: virtio }), [toDma(low)], { unmapCalls: 5n, mapCalls: 3n }],
    [
      'virtio, blocking is an empty domain',
      on({ viommu: virtio, mappings: [] }),
      [toBlocking],
      { unmapCalls: 3n, mapCalls: 2n },
    ],
    [
      'virtio, mapped while blocked: in the empty domain, as the guest has it',
      on({ viommu: virtio, mappings: [], tracking: 'off' }),
      [toBlocking, { type: 'map', mappings: [low] }],
      { mapFailures: 0n, leftMappedBytes: 0n },
    ],
    [
      'no vIOMMU',
      on({ viommu: { model: 'none' }, domain: 'identity' }),
      [toDma(low)],
      { unmapCalls: 0n, mapCalls: 0n },
    ],
    [
      'smmuv3, accelerated',
      on({ viommu: { model: 'smmuv3', accel: true } }),
      [toBlocking, toDma(low)],
      { unmapCalls: 0n, mapCalls: 0n },
    ],
    [
      'iommufd, IOMMU tracking: a query before every unmap',
      on({ container: { ...iommufd, tracker: 'iommu', trackingHwpts: 1 } }),
      [toBlocking],
      { unmapCalls: 1n, ioctls: 2n, bitmaps: 1n },
    ],
    [
      'iommufd in 10.2: no bitmap at all',
      as('10.2', { container: { ...iommufd, tracker: 'iommu', trackingHwpts: 1 } }),
      [toBlocking],
      { unmapCalls: 28n, ioctls: 28n, bitmaps: 0n, dirtyBytesLost: 2n * KIB_4 },
    ],
    [
      'the search as intended leaves nothing',
      on({ behaviours: { ...behaviours('11.1'), domainUnmap: 'tracked' } }),
      [toBlocking],
      { unmapCalls: 2n, leftMappedBytes: 0n, dirtyBytesLost: 0n },
    ],
  ];

  it.each(cases)('%s', (_name, machine, events, figures) => {
    expect(figuresOf(simulate(machine, events))).toMatchObject(figures);
  });

  it('is refused with an emulated smmuv3', () => {
    const { steps } = simulate(on({ viommu: { model: 'smmuv3', accel: false } }), [toBlocking]);
    expect(steps).toEqual([{ kind: 'refused', reason: 'smmuv3-without-accel' }]);
  });
});

describe('what the tracked loop of 11.x leaves behind', () => {
  it('goes at the next attach, in the hole that the new page table has there', () => {
    const unmaps = unmapsOf(simulate(newest, [toBlocking, toDma()]).steps);
    expect(unmaps.slice(1)).toMatchObject([
      { iova: 0xfef0_0000n, size: 0x7f_0110_0000n, flags: 1, bitmapBytes: 0xfe_0220n, unmappedBytes: KIB_4 },
      { iova: 0n, size: 0xfee0_0000n, flags: 1, bitmapBytes: 0x1_fdc0n, unmappedBytes: 0n },
    ]);
  });

  it('goes with the section when the guest moves on to identity, its dirty bits unread', () => {
    const { steps, leftMapped } = simulate(newest, [toIdentity]);
    expect(unmapsOf(steps).at(-1)).toMatchObject({
      iova: 0xfef0_0000n,
      flags: 0,
      unmappedBytes: KIB_4,
      dirtyBytesLost: KIB_4,
    });
    expect(leftMapped).toEqual([]);
  });

  it('is forgotten by a sync while the domain is blocked: the next map fails, and the old translation stays', () => {
    const elsewhere = { ...high, gpa: 0x9000n };
    const { steps, leftMapped } = simulate(newest, [toBlocking, { type: 'sync' }, toDma(elsewhere)]);
    expect(steps.at(-1)).toMatchObject({ kind: 'map', failure: { result: -17, errno: 'EEXIST' }, reaches: 'printed' });
    expect(leftMapped).toMatchObject([high]);
  });

  it('is left by a dirty-rate measurement too, but not by the form that was mailed first', () => {
    const measured = on({ tracking: 'dirty-rate' });
    expect(figuresOf(simulate(measured, [toBlocking])).leftMappedBytes).toBe(KIB_4);
    const mailed = {
      ...measured,
      behaviours: { ...behaviours('11.1'), domainUnmap: 'tracked-while-migrating' } as const,
    };
    expect(figuresOf(simulate(mailed, [toBlocking]))).toMatchObject({
      unmapCalls: 28n,
      leftMappedBytes: 0n,
      fatal: null,
    });
  });
});

describe('every step, in order', () => {
  const shown = (given: SimulatedMachine, events: GuestEvent[]): string[] =>
    simulate({ ...given, tracking: 'off' }, events).steps.map((step) => {
      if (step.kind === 'section-add' || step.kind === 'section-del')
        return `${step.kind} ${step.region} ${hex(step.iova)} ${hex(step.size)}`;
      if (step.kind === 'map' || step.kind === 'unmap')
        return `${step.kind} ${step.cause} ${hex(step.iova)} ${hex(step.size)}${step.count > 1n ? ` x${step.count}` : ''}`;
      return step.kind;
    });
  const hex = (value: bigint): string => `0x${value.toString(16)}`;
  const first = on({ viommu: { model: 'virtio' } });
  const maps = ['map viommu 0x1000 0x1000', 'map viommu 0x123456000 0x1000'];
  const next = { ...low, iova: low.iova + KIB_4, gpa: 0x6000n };
  const small = { iova: 0x20_0000n, size: KIB_4, count: 1n, gpa: 0x60_0000n };
  const unmaps = ['unmap viommu 0x1000 0x1000', 'unmap viommu 0x123456000 0x1000'];
  const everything = '0x0 0x10000000000000000';
  const [ramAt, romAt] = ['0x0 0x80000000', '0xfffc0000 0x40000'];
  const plugMemory = [ramAt, romAt].flatMap((at) => [`section-add memory ${at}`, `map section ${at}`]);
  const unplugMemory = [ramAt, romAt].flatMap((at) => [`section-del memory ${at}`, `unmap section ${at}`]);
  const unplugIommu = [`section-del iommu ${everything}`, `unmap section ${everything}`];
  const [lower, upper] = ['0x0 0xfee00000', '0xfef00000 0xffffffff01100000'];

  it.each<[what: string, machine: SimulatedMachine, events: GuestEvent[], steps: string[]]>([
    ['virtio-iommu, from DMA to identity', first, [toIdentity], [...unmaps, ...unplugIommu, ...plugMemory]],
    [
      'virtio-iommu, from identity to DMA',
      { ...first, domain: 'identity' },
      [toDma(low, high)],
      [...unplugMemory, `section-add iommu ${everything}`, ...maps],
    ],
    [
      'virtio-iommu, blocked: by an empty domain',
      { ...first, domain: 'identity' },
      [toBlocking, toDma(low)],
      [
        ...unplugMemory,
        `section-add iommu ${everything}`,
        ...unplugIommu,
        ...plugMemory,
        ...unplugMemory,
        `section-add iommu ${everything}`,
        'map viommu 0x1000 0x1000',
      ],
    ],
    [
      'virtio-iommu, a mapping that is not aligned: piece by piece, when it comes into sight too',
      { ...first, domain: 'identity' },
      [toDma({ iova: 0x1000n, size: 0x3000n, count: 1n, gpa: 0n })],
      [...unplugMemory, `section-add iommu ${everything}`, 'map viommu 0x1000 0x1000', 'map viommu 0x2000 0x2000'],
    ],
    [
      'virtio-iommu, its driver lets go of a mapping that is not aligned',
      { ...first, mappings: [{ iova: 0x1000n, size: 0x3000n, count: 1n, gpa: 0n }] },
      [{ type: 'driver-detach' }],
      ['unmap viommu 0x1000 0x1000', 'unmap viommu 0x2000 0x2000'],
    ],
    [
      'virtio-iommu, its driver lets go while it is bypassed',
      first,
      [{ type: 'translation', on: false }, { type: 'driver-detach' }],
      [...unplugIommu, ...plugMemory],
    ],
    [
      'virtio-iommu, on system memory, not bypassed again: it stays there',
      first,
      [toIdentity, { type: 'translation', on: true }],
      [...unmaps, ...unplugIommu, ...plugMemory],
    ],
    [
      'intel-iommu, from identity to DMA: a mapping that is no page, page by page',
      on({ domain: 'identity', viommu: { ...intel, scalableMode: true } }),
      [toDma({ iova: 0x1000n, size: 0x3000n, count: 1n, gpa: 0n })],
      [...unplugMemory, `section-add iommu ${lower}`, `section-add iommu ${upper}`, 'map viommu 0x1000 0x1000 x3'],
    ],
    [
      'smmuv3, accelerated: memory that is plugged is mapped',
      on({ domain: 'dma', viommu: { model: 'smmuv3', accel: true } }),
      [{ type: 'plug', section: { gpa: 0x1_0000_0000n, size: KIB_4, readOnly: false } }],
      ['section-add memory 0x100000000 0x1000', 'map section 0x100000000 0x1000'],
    ],
    ['virtio-iommu, a map of two runs', { ...first, mappings: [] }, [{ type: 'map', mappings: [low, high] }], maps],
    ['virtio-iommu, a system reset', first, [{ type: 'system-reset' }], [...unmaps, ...unplugIommu, ...plugMemory]],
    [
      'virtio-iommu, bypassed and not',
      first,
      [
        { type: 'translation', on: false },
        { type: 'translation', on: true },
      ],
      [...unplugIommu, ...plugMemory, ...unplugMemory, `section-add iommu ${everything}`, ...maps],
    ],
    [
      'virtio-iommu, leaving its domain while it is bypassed',
      first,
      [{ type: 'translation', on: false }, toIdentity],
      [...unplugIommu, ...plugMemory],
    ],
    ['virtio-iommu, an invalidation, which it has not', first, [{ type: 'invalidate', scope: 'context-global' }], []],
    [
      'intel-iommu in scalable mode, from identity to DMA: what is mapped there, below the interrupts first',
      on({ domain: 'identity', viommu: { ...intel, scalableMode: true } }),
      [toDma(low, high)],
      [...unplugMemory, `section-add iommu ${lower}`, `section-add iommu ${upper}`, ...maps],
    ],
    [
      'intel-iommu in scalable mode, blocked twice: once',
      on({ domain: 'blocking', viommu: { ...intel, scalableMode: true } }),
      [{ type: 'attach', to: 'blocking' }],
      [],
    ],
    ['intel-iommu, a map of two runs', on({ mappings: [] }), [{ type: 'map', mappings: [low, high] }], maps],
    [
      'intel-iommu, an unmap of one of them',
      newest,
      [{ type: 'unmap', iova: low.iova, size: KIB_4 }],
      ['unmap viommu 0x1000 0x1000'],
    ],
    ['intel-iommu, its driver lets go', newest, [{ type: 'driver-detach' }], unmaps],
    [
      'intel-iommu, its driver lets go while it is bypassed',
      on({ domain: 'identity' }),
      [{ type: 'driver-detach' }],
      [],
    ],
    [
      'intel-iommu, pages that are as they were',
      newest,
      [{ type: 'invalidate', scope: 'pages', iova: 0n, size: KIB_4 }],
      [],
    ],
    ['intel-iommu, a domain that is as it was', newest, [{ type: 'invalidate', scope: 'iotlb-domain' }], []],
    ['intel-iommu, all of a device that is as it was', newest, [{ type: 'invalidate', scope: 'context-device' }], []],
    [
      'nothing between the device and memory: an invalidation is nothing',
      on({ domain: 'identity', viommu: { model: 'none' } }),
      [{ type: 'invalidate', scope: 'context-global' }],
      [],
    ],
    [
      'nothing between the device and memory: a system reset leaves what is mapped',
      on({ domain: 'identity', viommu: { model: 'none' } }),
      [{ type: 'system-reset' }],
      [],
    ],
    [
      'a section that is not there is not unplugged',
      on({ domain: 'identity' }),
      [{ type: 'unplug', gpa: 0x1000n }],
      [],
    ],
    [
      'a section that is plugged while the device is behind the vIOMMU waits, in order of its address',
      on({ domain: 'dma', mappings: [], viommu: { model: 'virtio' } }),
      [{ type: 'plug', section: { gpa: 0x8000_0000n, size: KIB_4, readOnly: false } }, toIdentity],
      [
        ...unplugIommu,
        ...plugMemory.slice(0, 2),
        'section-add memory 0x80000000 0x1000',
        'map section 0x80000000 0x1000',
        ...plugMemory.slice(2),
      ],
    ],
  ])('%s', (_what, machine, events, steps) => {
    expect(shown(machine, events)).toEqual(steps);
  });

  it.each<[what: string, given: Partial<SimulatedMachine>, guest: MappingRun[], left: MappingRun[]]>([
    ['the same memory', {}, [low], []],
    ['other memory', {}, [{ ...low, gpa: 0x9000n }], [low]],
    ['memory that nobody says', {}, [{ iova: low.iova, size: KIB_4, count: 1n }], []],
    ['nothing', {}, [], [low]],
    ['other memory, behind virtio-iommu', { viommu: { model: 'virtio' } }, [{ ...low, gpa: 0x9000n }], [low]],
    ['the same memory, behind virtio-iommu', { viommu: { model: 'virtio' } }, [low], []],
    ['memory that nobody said', { mappings: [{ iova: low.iova, size: KIB_4, count: 1n }] }, [low], []],
    ['the same memory, two pages at once', { mappings: [low, next] }, [{ ...low, count: 2n }], []],
    ['the same memory, in a large page', { mappings: [small] }, [{ ...small, size: 0x20_0000n }], [small]],
  ])('what the host maps on is told by where the guest maps it to: %s', (_what, given, guest, left) => {
    const state = stateIn(on({ mappings: [low], ...given }), 'dma');
    state.table = tableOf(state.machine.viommu, guest);
    expect(leftIn(state)).toEqual(left);
  });

  it('what lies across a section as large is left of something else', () => {
    const state = stateIn(on({ sections: [{ gpa: 0x1000n, size: 0x3000n, readOnly: false }] }), 'identity');
    const across = { iova: 0x2000n, size: 0x3000n, count: 1n, gpa: 0x2000n };
    mappingsOf(state.host).take(0n, 1n << 32n);
    mappingsOf(state.host).add(across);
    expect(leftIn(state)).toEqual([across]);
  });

  it('of a large page around the interrupt window the host maps what lies beside it', () => {
    const gib = { iova: 0xc000_0000n, size: 1n << 30n, count: 1n, gpa: 0n };
    const { host } = stateIn(on({ mappings: [gib] }), 'dma');
    expect([...mappingsOf(host)].map(({ iova, size }) => [iova, size])).toEqual([
      [0xc000_0000n, 0x3ee0_0000n],
      [0xfef0_0000n, 0x110_0000n],
    ]);
  });

  it.each<[what: string, given: SimulatedMachine, events: GuestEvent[]]>([
    [
      'virtio-iommu, its driver lets go of a mapping that is not aligned',
      { ...first, mappings: [{ iova: 0x1000n, size: 0x3000n, count: 1n, gpa: 0n }] },
      [{ type: 'driver-detach' }],
    ],
    [
      'virtio-iommu, a mapping in the empty domain that stands for blocking',
      { ...first, domain: 'identity' },
      [toBlocking, { type: 'map', mappings: [low] }],
    ],
    [
      'intel-iommu, an unmap of the first of two pages',
      on({ mappings: [{ ...low, count: 2n }] }),
      [{ type: 'unmap', iova: low.iova, size: KIB_4 }],
    ],
  ])('the host maps what the guest maps, and no more: %s', (_what, given, events) => {
    expect(simulate(given, events).leftMapped).toEqual([]);
  });

  it.each<Viommu>([intel, { model: 'amd' }])(
    '$model, a map while the device is on system memory: nothing',
    (viommu) => {
      const state = stateIn(on({ viommu, mappings: [] }), 'dma');
      Array.from(react(state, { type: 'translation', on: false }));
      expect([...react(state, { type: 'map', mappings: [low] })]).toEqual([]);
    },
  );
});

describe('what else may happen', () => {
  it('a guest unmaps: one call for each page, or for the table that goes whole', () => {
    const table = { iova: 0x20_0000n, size: KIB_4, count: 512n };
    const machine = on({ mappings: [table] });
    expect(unmapsOf(simulate(machine, [{ type: 'unmap', iova: table.iova, size: 0x1000n }]).steps)).toMatchObject([
      { size: KIB_4, count: 1n, flags: 1, bitmapBytes: 8n },
    ]);
    expect(unmapsOf(simulate(machine, [{ type: 'unmap', iova: table.iova, size: 0x20_0000n }]).steps)).toMatchObject([
      { size: 0x20_0000n, count: 1n, unmappedBytes: 0x20_0000n },
    ]);
    expect(unmapsOf(simulate(machine, [{ type: 'driver-detach' }]).steps)).toMatchObject([
      { size: KIB_4, count: 512n, bitmapBytes: 8n, unmappedBytes: 0x20_0000n },
    ]);
  });

  it('a flush of all contexts unmaps the domain whole and maps it again', () => {
    const { steps, leftMapped } = simulate(on({ tracking: 'off' }), [{ type: 'invalidate', scope: 'context-global' }]);
    expect(figuresOf({ steps, leftMapped })).toMatchObject({ unmapCalls: 28n, mapCalls: 2n, leftMappedBytes: 0n });
  });

  it.each<[Extract<GuestEvent, { type: 'invalidate' }>['scope'], bigint]>([
    ['iotlb-domain', 0n],
    ['iotlb-global', 28n],
    ['context-device', 28n],
    ['context-domain', 56n],
    ['pasid', 0n],
  ])('an invalidation (%s) of a blocked device: %i unmaps', (scope, calls) => {
    const blocked = on({ tracking: 'off', domain: 'blocking' });
    const event = { type: 'invalidate', scope } as GuestEvent;
    expect(figuresOf(simulate(blocked, [event])).unmapCalls).toBe(calls);
  });

  it('a device reset is no matter; a system reset puts the device on system memory, without its BARs', () => {
    expect(simulate(newest, [{ type: 'device-reset' }]).steps).toEqual([]);
    const bar = { gpa: 0xfeb8_0000n, size: 0x2_0000n, readOnly: false, vfioPci: true };
    const { steps, leftMapped } = simulate(on({ tracking: 'off', sections: [...sections, bar] }), [
      { type: 'system-reset' },
    ]);
    expect(figuresOf({ steps, leftMapped })).toMatchObject({ unmapCalls: 30n, mapCalls: 2n, leftMappedBytes: 0n });
  });

  it('a DIMM of 8 TiB stops tracking from starting; plugged while tracking runs it ends QEMU', () => {
    const dimm = { gpa: 1n << 40n, size: 8n * TIB, readOnly: false };
    const memory = on({ viommu: { model: 'none' }, domain: 'identity', tracking: 'off' });
    const start: GuestEvent = { type: 'tracking-start', by: 'migration' };
    expect(simulate(memory, [{ type: 'plug', section: dimm }, start]).steps.at(-1)).toMatchObject({
      kind: 'tracking-start',
      failure: { errno: 'EINVAL', refusedBy: 'kernel' },
      reaches: 'migration',
    });
    expect(simulate(memory, [start, { type: 'plug', section: dimm }]).steps.at(-1)).toMatchObject({
      kind: 'map',
      failure: { result: -22, errno: 'EINVAL' },
      reaches: 'abort',
    });
  });

  it('a section over 8 TiB cannot be taken away with its bitmap in 11.x: refused before the ioctl, only printed', () => {
    const large = { gpa: 1n << 32n, size: 9n * TIB, readOnly: false, ramAddress: 0x8000_0000n };
    const { steps, leftMapped } = simulate(on({ domain: 'identity', sections: [large] }), [toDma()]);
    expect(unmapsOf(steps)).toMatchObject([
      { ioctls: 0, failure: { result: -7, refusedBy: 'qemu' }, reaches: 'printed' },
    ]);
    expect(totalBytes(leftMapped)).toBe(9n * TIB);
  });

  it('tracking starts, finds every mapping dirty each time, and stops', () => {
    const events: GuestEvent[] = [
      { type: 'tracking-start', by: 'migration' },
      { type: 'sync' },
      { type: 'sync' },
      { type: 'tracking-stop' },
    ];
    const { steps } = simulate(on({ tracking: 'off' }), events);
    expect(kinds(steps)).toEqual(['tracking-start', 'query', 'query', 'query', 'query', 'tracking-stop']);
    expect(figuresOf({ steps, leftMapped: [] })).toMatchObject({
      queries: 4n,
      queryBitmapBytes: 32n,
      dirtyBytes: 4n * KIB_4,
      allIoctls: 6n,
    });
  });

  it('a device is told to log the vIOMMU’s sections, of which the upper one wraps at 2^64', () => {
    const device = on({ tracking: 'off', container: { ...newest.container, tracker: 'device', devices: 2 } });
    const { steps } = simulate(device, [{ type: 'tracking-start', by: 'migration' }]);
    expect(steps).toMatchObject([
      {
        ioctls: 1,
        ranges: [{ iova: 0n, size: 0xfee0_0000n }, { iova: 0xfef0_0000n }],
        failure: { errno: 'EOVERFLOW', refusedBy: 'kernel' },
      },
    ]);
  });

  it('nobody tracks: nothing is asked and nothing is marked', () => {
    const none = on({ tracking: 'off', container: { ...iommufd, tracker: 'none' } });
    const { steps } = simulate(none, [{ type: 'tracking-start', by: 'migration' }, { type: 'sync' }, toBlocking]);
    expect(figuresOf({ steps, leftMapped: [] })).toMatchObject({ queries: 0n, bitmaps: 0n });
  });
});

/** Runs of pages, apart from the interrupt window. */
const mappings = fc
  .array(fc.record({ gap: fc.nat(1 << 20), large: fc.boolean(), count: fc.integer({ min: 1, max: 600 }) }), {
    maxLength: 6,
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

const split = (runs: readonly MappingRun[]): MappingRun[] =>
  runs.flatMap(({ iova, size, count }) =>
    Array.from({ length: Number(count) }, (_, i) => {
      const start = iova + BigInt(i) * size;
      return { iova: start, size, count: 1n, gpa: start };
    }),
  );

const machines = fc
  .record({
    release: fc.constantFrom(...qemuReleases),
    viommu: fc.constantFrom<Viommu>(intel, { ...intel, scalableMode: true }, { model: 'virtio' }, { model: 'amd' }),
    tracking: fc.constantFrom('off', 'migration', 'dirty-rate'),
    backend: fc.constantFrom('legacy', 'iommufd'),
  })
  .map(
    ({ release, viommu, tracking, backend }): SimulatedMachine =>
      as(release, {
        viommu,
        tracking,
        mappings: [],
        container: { ...newest.container, backend, tracker: backend === 'legacy' ? 'type1' : 'none' },
      }),
  );

const switches = fc.array(
  fc.oneof(
    fc.constantFrom<GuestEvent>(
      toBlocking,
      toIdentity,
      { type: 'sync' },
      { type: 'driver-detach' },
      { type: 'system-reset' },
    ),
    mappings.map((runs) => toDma(...runs)),
  ),
  { maxLength: 5 },
);

const single = (event: GuestEvent): GuestEvent =>
  event.type === 'switch' && event.mappings ? { ...event, mappings: split(event.mappings) } : event;

describe('the model', () => {
  it('counts a run as its single mappings', () => {
    fc.assert(
      fc.property(machines, mappings, switches, (machine, runs, events) => {
        const { firstFailure: _a, fatal: _b, ...whole } = figuresOf(simulate({ ...machine, mappings: runs }, events));
        const {
          firstFailure: _c,
          fatal: _d,
          ...parts
        } = figuresOf(simulate({ ...machine, mappings: split(runs) }, events.map(single)));
        expect(parts).toEqual(whole);
      }),
      { numRuns: 40 },
    );
  });

  it('has every byte that was ever mapped either unmapped or left mapped, once the guest is blocked', () => {
    fc.assert(
      fc.property(machines, mappings, switches, (machine, runs, events) => {
        const blocked: GuestEvent[] = [...events, { type: 'translation', on: true }, toBlocking];
        const { steps, leftMapped } = simulate({ ...machine, mappings: runs }, blocked);
        const mapped = mapsOf(steps)
          .filter(({ failure }) => !failure)
          .reduce((sum, step) => sum + runBytes(step), totalBytes(runs));
        const unmapped = unmapsOf(steps).reduce((sum, step) => sum + step.unmappedBytes, 0n);
        expect(mapped - unmapped).toBe(totalBytes(leftMapped));
      }),
      { numRuns: 100 },
    );
  });

  it('sends nothing that is not mapped, where the tracked loop is as intended', () => {
    fc.assert(
      fc.property(mappings, (runs) => {
        const tracked = on({ behaviours: { ...behaviours('11.1'), domainUnmap: 'tracked' }, mappings: runs });
        const { steps, leftMapped } = simulate(tracked, [toBlocking]);
        for (const { size, count, unmappedBytes } of unmapsOf(steps)) expect(unmappedBytes).toBe(size * count);
        expect(leftMapped).toEqual([]);
      }),
    );
  });

  it('unmaps the whole aperture alike, whatever is mapped and however much memory there is', () => {
    fc.assert(
      fc.property(mappings, fc.nat(1 << 20), (runs, mebibytes) => {
        const ram = { gpa: 1n << 32n, size: BigInt(mebibytes + 1) << 20n, readOnly: false };
        const cost = ({ unmapCalls, ioctls, bitmapBytesAllocated, failures }: Figures) => ({
          unmapCalls,
          ioctls,
          bitmapBytesAllocated,
          failures,
        });
        const given = simulate(as('10.2', { mappings: runs, sections: [...sections, ram] }), [toBlocking]);
        expect(cost(figuresOf(given))).toEqual(cost(figuresOf(simulate(as('10.2', { mappings: [] }), [toBlocking]))));
      }),
    );
  });

  it('takes everything away in two halves as in one', () => {
    fc.assert(
      fc.property(mappings, (runs) => {
        const virtio = on({ viommu: { model: 'virtio' }, mappings: runs, tracking: 'off' });
        const halved = { ...virtio, behaviours: { ...virtio.behaviours, unmapAll: 'halves' } as const };
        // Nothing announces the mappings one by one when the sections go with the domain.
        const sum = (machine: SimulatedMachine) =>
          unmapsOf(simulate(machine, [toIdentity]).steps).reduce((bytes, step) => bytes + step.unmappedBytes, 0n);
        expect(sum(halved)).toBe(sum(virtio));
        expect(simulate(halved, [toIdentity]).leftMapped).toEqual(simulate(virtio, [toIdentity]).leftMapped);
      }),
    );
  });

  it('costs by runs: ten runs of a thousand million pages take no more steps than ten of ten', () => {
    const profile = (count: bigint): MappingRun[] =>
      Array.from({ length: 10 }, (_, i) => ({
        iova: (1n << 32n) + (BigInt(i) << 43n),
        size: KIB_4,
        count,
        gpa: BigInt(i) << 43n,
      }));
    const events: GuestEvent[] = [{ type: 'sync' }, toDma(...profile(7n)), { type: 'driver-detach' }, toIdentity];
    const machine = (count: bigint): SimulatedMachine =>
      on({ behaviours: { ...behaviours('11.1'), domainUnmap: 'tracked' }, mappings: profile(count) });
    expect(simulate(machine(1_000_000_000n), events).steps.length).toBe(simulate(machine(10n), events).steps.length);
  });
});
