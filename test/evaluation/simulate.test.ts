import { describe, expect, it } from 'vitest';
import { withValueAt } from '../../src/descriptor/pointer.ts';
import type { SimulationRequest } from '../../src/descriptor/simulation.ts';
import { simulateRequest, STEPS_MAX } from '../../src/evaluation/simulate.ts';
import { expansionOf } from '../../src/evaluation/expansion.ts';
import { type Trace, trace as schema } from '../../src/evaluation/trace.ts';
import { simulationExamples } from '../../src/http/examples.ts';
import type { Machine } from '../../src/simulator/index.ts';

const behind = simulationExamples['domain-switch-by-step']?.request as SimulationRequest;

function request(given: Readonly<Record<string, unknown>>): SimulationRequest {
  let changed = behind;
  for (const [pointer, value] of Object.entries(given)) changed = withValueAt(changed, pointer, value);
  return changed;
}

function run(given: Readonly<Record<string, unknown>>): Trace {
  const simulated = simulateRequest(request(given));
  if ('faults' in simulated) throw new Error(JSON.stringify(simulated.faults));
  // Every answer has the shape that is promised of it.
  return schema.parse(simulated.trace);
}

const track = { type: 'tracking-start', by: 'migration' };
const leave = { type: 'switch', to: 'blocking' };

describe('a simulation over HTTP', () => {
  it('shows the bug this project began with, unmap by unmap', () => {
    const { trace, containers } = run({});
    expect(containers[0]?.totals).toMatchObject({ unmapCalls: 28, unmapFailures: 4, bitmaps: 28, leftMappedBytes: 0 });
    expect(trace.find((step) => step.kind === 'unmap' && step.failure)).toMatchObject({
      event: 1,
      iova: '0x100000000000',
      size: '0x100000000000',
      bitmapBytes: 536_870_912,
      ioctls: 0,
      failure: { result: -7, errno: 'E2BIG', refusedBy: 'qemu' },
      reaches: 'migration',
    });
  });

  it.each([
    { name: 'none listed', limit: 0, listed: 0, truncated: true },
    { name: 'the first ten', limit: 10, listed: 10, truncated: true },
    { name: 'all', limit: 1000, listed: 29, truncated: false },
  ])('lists as many steps as asked for, and counts all: $name', ({ limit, listed, truncated }) => {
    const { trace, ...answer } = run({ '/limit': limit });
    expect(trace).toHaveLength(listed);
    expect(answer).toMatchObject({ steps: 29, truncated });
    expect(answer.containers[0]?.totals.unmapCalls).toBe(28);
  });

  it('tells containers apart, and what an event concerns', () => {
    const devices = ['a', 'b'].map((id) => ({ id, enableMigration: 'on', guestDomain: 'dma' }));
    const { containers } = run({
      '/vm/vfio': devices,
      '/source/devices': { a: { dmaLogging: false }, b: { dmaLogging: false } },
      '/events': [track, { ...leave, device: 'b' }],
    });
    expect(containers.map(({ devices: each, totals }) => [each, totals.unmapCalls])).toEqual([
      [['a'], 0],
      [['b'], 28],
    ]);
  });

  it('costs a run of a thousand million pages what it costs a run of ten', () => {
    const mapped = (count: number) => ({
      '/source/qemu': '11.1.3',
      '/source/type1': { dmaEntryLimit: Number.MAX_SAFE_INTEGER },
      '/vm/vfio/0/mappings': [{ iova: '0x100000000', pageSize: '4KiB', count }],
    });
    expect(run(mapped(10)).steps).toBe(run(mapped(1_000_000_000)).steps);
  });

  it.each([
    [
      'no vIOMMU: system memory, one query a section',
      { '/vm/viommu': null, '/vm/vfio/0/guestDomain': undefined, '/events': [track, { type: 'sync' }] },
      { queries: 7 },
    ],
    [
      'a device that bypasses the vIOMMU: the same',
      {
        '/vm/vfio/0/address': { bypassIommu: true },
        '/vm/vfio/0/guestDomain': undefined,
        '/events': [track, { type: 'sync' }],
      },
      { queries: 7 },
    ],
    [
      'virtio-iommu takes all away at once',
      { '/vm/viommu': { model: 'virtio' }, '/events': [track, { type: 'switch', to: 'identity' }] },
      { unmapFailures: 0 },
    ],
    [
      'amd-iommu unmaps 44 pieces',
      { '/vm/viommu': { model: 'amd' }, '/events': [track, leave] },
      { unmapCalls: 44, unmapFailures: 20 },
    ],
    [
      'memory is plugged into identity',
      { '/vm/viommu': null, '/events': [{ type: 'plug', gpa: '0x200000000', size: '1GiB' }] },
      { mapCalls: 1 },
    ],
  ])('%s', (_name, given, totals) => {
    expect(run(given).containers[0]?.totals).toMatchObject(totals);
  });
});

describe('an event comes to', () => {
  const mapped = {
    '/source/qemu': '11.1.3',
    '/vm/vfio/0/mappings': [{ iova: '0x100000000', gpa: '0x0', pageSize: '4KiB', count: 4 }],
  };
  const none = { '/vm/viommu': null };
  const two = (iova: string) => [{ iova, gpa: '0x5000', pageSize: '4KiB', count: 2 }];
  const dimm = { gpa: '0x200000000', size: '1GiB' };

  /** Place of the event in the request, what QEMU does, where, how large and how often. */
  const steps = (given: Readonly<Record<string, unknown>>): string[] =>
    run(given).trace.map((step) => {
      const { event, kind, iova, size, count, readOnly } = { iova: '', size: '', count: 1, readOnly: false, ...step };
      return `${event} ${kind} ${iova} ${size} x${count}${readOnly ? ' read-only' : ''}`.replace('   x1', '');
    });

  it.each<[string, Readonly<Record<string, unknown>>, events: object[], string[]]>([
    ['a map', mapped, [{ type: 'map', mappings: two('0x1000') }], ['0 map 0x1000 0x1000 x2']],
    ['an unmap', mapped, [{ type: 'unmap', iova: '0x100001000', size: '0x2000' }], ['0 unmap 0x100001000 0x1000 x2']],
    [
      'another DMA domain, attached over the first: what differs goes',
      mapped,
      [{ type: 'attach', to: 'dma', mappings: two('0x100000000') }],
      ['0 unmap 0x100000000 0x1000 x2', '0 map 0x100000000 0x1000 x2', '0 unmap 0x100002000 0x1000 x2'],
    ],
    [
      'invalidated pages that are as they were: nothing',
      mapped,
      [{ type: 'invalidate-pages', iova: '0x100000000', size: '0x1000' }],
      [],
    ],
    ['a device reset: nothing', mapped, [{ type: 'device-reset' }], []],
    ['a driver that lets go: an unmap a page', mapped, [{ type: 'driver-detach' }], ['0 unmap 0x100000000 0x1000 x4']],
    [
      'a DIMM that is plugged',
      none,
      [{ type: 'plug', ...dimm }],
      ['0 section-add 0x200000000 0x40000000 x1', '0 map 0x200000000 0x40000000 x1'],
    ],
    [
      'a ROM that is plugged, and unplugged',
      none,
      [
        { type: 'plug', ...dimm, readOnly: true },
        { type: 'unplug', gpa: dimm.gpa },
      ],
      [
        '0 section-add 0x200000000 0x40000000 x1',
        '0 map 0x200000000 0x40000000 x1 read-only',
        '1 section-del 0x200000000 0x40000000 x1',
        '1 unmap 0x200000000 0x40000000 x1',
      ],
    ],
    [
      'tracking that starts, a sync, and tracking that stops',
      mapped,
      [track, { type: 'sync' }, { type: 'tracking-stop' }],
      ['0 tracking-start', '1 query 0x100000000 0x1000 x4', '2 tracking-stop'],
    ],
  ])('%s', (_name, given, events, expected) => {
    expect(steps({ ...given, '/events': events })).toEqual(expected);
  });

  it.each<[string, events: object[], totals: object]>([
    [
      'translation that is turned off: system memory',
      [{ type: 'translation', on: false }],
      { unmapCalls: 30, mapCalls: 7 },
    ],
    [
      'and on again: the vIOMMU’s sections',
      [false, true].map((on) => ({ type: 'translation', on })),
      { unmapCalls: 37, mapCalls: 7 + 4 },
    ],
    ['a system reset: system memory', [{ type: 'system-reset' }], { unmapCalls: 30, mapCalls: 7 }],
    [
      'an invalidation of all contexts',
      [{ type: 'invalidate', scope: 'context-global' }],
      { unmapCalls: 28, mapCalls: 4 },
    ],
    [
      'leaving while a dirty rate is measured: found in the tree',
      [{ type: 'tracking-start', by: 'dirty-rate' }, leave],
      { unmapCalls: 0, leftMappedBytes: 4 * 4096 },
    ],
  ])('%s', (_name, events, totals) => {
    expect(run({ ...mapped, '/events': events }).containers[0]?.totals).toMatchObject(totals);
  });

  it('what the host maps on at the end, although the guest no longer does', () => {
    const { containers } = run({ ...mapped, '/events': [track, leave] });
    expect(containers[0]?.leftMapped).toEqual([{ iova: '0x100000000', size: '0x1000', count: 4, gpa: '0x0' }]);
  });

  it('no more than a limit on locked memory, or on mappings, allows', () => {
    const failures = (host: object): number | undefined =>
      run({ ...mapped, ...host, '/events': [{ type: 'map', mappings: two('0x1000') }] }).containers[0]?.totals
        .mapFailures;
    expect(failures({ '/source/memlockLimit': 6 * 4096 })).toBe(0);
    expect(failures({ '/source/memlockLimit': 5 * 4096 })).toBe(1);
    expect(failures({ '/source/type1': { dmaEntryLimit: 6 } })).toBe(0);
    expect(failures({ '/source/type1': { dmaEntryLimit: 5 } })).toBe(1);
  });

  it('what Linux 7.1 without limits does, where nobody says which kernel it is', () => {
    const assumption = 'The kernel is taken to be Linux 7.1, without limits.';
    expect(run(mapped).assumptions).not.toContain(assumption);
    expect(run({ ...mapped, '/source/kernel': undefined }).assumptions).toContain(assumption);
  });
});

describe('a simulation is refused', () => {
  it.each<[string, Readonly<Record<string, unknown>>, pointer: string, detail: string]>([
    [
      'without the facts that it needs',
      { '/source/qemu': undefined },
      '/source/qemu',
      'a simulation needs to know: QMP: query-version of the QEMU process',
    ],
    [
      'when nobody says where the guest attached the device',
      { '/vm/vfio/0/guestDomain': undefined },
      '/vm/vfio/0/guestDomain',
      'a simulation needs to know what the guest attached the device to: dma, identity or blocking',
    ],
    [
      'without a device',
      { '/vm/vfio': [], '/source/devices': {} },
      '/vm/vfio',
      'a simulation is of at least one device',
    ],
    [
      'for a device that is not there',
      { '/events': [{ ...leave, device: 'eth0' }] },
      '/events/0/device',
      'no device in /vm/vfio has this id',
    ],
    [
      'for mappings that overlap',
      { '/events': [{ type: 'map', mappings: [0, 0].map(() => ({ iova: '0x0', pageSize: '4KiB', count: 1 })) }] },
      '/events/0/mappings/1',
      'overlap',
    ],
    [
      'for no byte',
      { '/events': [{ type: 'unmap', iova: '0x0', size: '0x0' }] },
      '/events/0/size',
      'from 1 byte to the end of the address space',
    ],
    [
      'for a DIMM of no byte',
      { '/events': [{ type: 'plug', gpa: '0x0', size: 0 }] },
      '/events/0/size',
      'from 1 byte to 2^64 - 1',
    ],
    [
      'for mappings that are no whole pages',
      { '/events': [{ type: 'map', mappings: [{ iova: '0x200', pageSize: '4KiB', count: 1 }] }] },
      '/events/0/mappings/0/iova',
      'not aligned to pageSize',
    ],
    [
      'for a range of invalidated pages past the end',
      { '/events': [{ type: 'invalidate-pages', iova: '0xfffffffffffff000', size: '0x2000' }] },
      '/events/0/size',
      'from 1 byte to the end of the address space',
    ],
    [
      'for a range past the end',
      { '/events': [{ type: 'unmap', iova: '0xfffffffffffff000', size: '0x2000' }] },
      '/events/0/size',
      'from 1 byte to the end of the address space',
    ],
    [
      'for mappings of less than a page',
      { '/events': [{ type: 'map', mappings: [{ iova: '0x0', pageSize: 2048, count: 1 }] }] },
      '/events/0/mappings/0/pageSize',
      'a page size is a power of two, at least 4KiB',
    ],
    ['for what the descriptor alone would be refused for', { '/vm/memory': '0x0' }, '/vm/memory', 'a VM has memory'],
  ])('%s', (_name, given, pointer, detail) => {
    expect(simulateRequest(request(given))).toEqual({ faults: [{ pointer, detail: expect.stringContaining(detail) }] });
  });

  it('not for a range that ends where addresses do', () => {
    const last = { iova: '0xfffffffffffff000', size: '0x1000' };
    expect(run({ '/events': ['unmap', 'invalidate-pages'].map((type) => ({ type, ...last })) }).steps).toBe(0);
  });

  it('not for events that concern another device', () => {
    const devices = ['a', 'b', 'c', 'd'].map((id) => ({ id, guestDomain: 'dma' }));
    const events = Array.from({ length: 800 }, () => ({ type: 'switch', to: 'dma', device: 'b' }));
    const { containers } = run({
      '/vm/vfio': devices,
      '/source/devices': Object.fromEntries(devices.map(({ id }) => [id, { dmaLogging: false }])),
      '/events': events,
    });
    expect(containers).toHaveLength(4);
  });

  it('before any work, when it would come to too many steps', () => {
    const simulated = simulateRequest(request({ '/events': Array.from({ length: 5000 }, () => ({ type: 'sync' })) }));
    expect('faults' in simulated && simulated.faults[0]).toMatchObject({
      pointer: '/events',
      detail: expect.stringMatching(new RegExp(`^may come to \\d+ steps; at most ${STEPS_MAX}$`)),
    });
  });
});

describe('the estimate that a request is refused by', () => {
  it.each<[string, readonly object[]]>([
    [
      'sections that are plugged',
      Array.from({ length: 60 }, (_, i) => ({
        type: 'plug',
        gpa: `0x${(0x200000000 + i * 0x10000000).toString(16)}`,
        size: '1MiB',
      })),
    ],
    [
      'runs that unmaps cut',
      Array.from({ length: 60 }, (_, i) => ({
        type: 'unmap',
        iova: `0x${(0x100001000 + i * 0x4000).toString(16)}`,
        size: '0x1000',
      })),
    ],
  ])('is no less than what happens, with %s', (_name, events) => {
    const all = [
      track,
      ...events,
      ...events.flatMap(() => [{ type: 'sync' }, { type: 'switch', to: 'identity' }, { type: 'switch', to: 'dma' }]),
    ];
    const given = request({
      '/vm/vfio/0/mappings': [{ iova: '0x100000000', pageSize: '4KiB', count: 1000 }],
      '/source/qemu': '11.1.3',
      '/events': all,
    });
    const simulated = simulateRequest(given);
    if ('faults' in simulated) throw new Error(JSON.stringify(simulated.faults));
    const machine = {
      viommu: { model: 'intel' },
      mappings: [{}],
      sections: Array.from({ length: 7 }),
    } as unknown as Machine;
    expect(expansionOf(machine, given.events)).toBeGreaterThanOrEqual(simulated.trace.steps);
  });
});

describe('the estimate', () => {
  const page = { iova: '0x0', pageSize: '4KiB', count: 9 };
  /** Each is cut: it is not aligned to its size. */
  const askew = { iova: '0x1000', pageSize: '2MiB', count: 3 };
  const map = (...mappings: object[]) => ({ type: 'map', mappings });
  const steps = (model: 'intel' | 'virtio', ...events: object[]): number =>
    expansionOf(
      { viommu: { model }, mappings: [], sections: [{}, {}] } as unknown as Machine,
      events as SimulationRequest['events'],
    );
  /** Of an event while `runs` runs are mapped and there are `sections` sections. */
  const each = (runs: number, sections = 2): number => 64 + 4 * runs + 2 * sections;

  it.each<[string, () => number, number]>([
    ['no event', () => steps('intel'), 0],
    ['a sync', () => steps('intel', { type: 'sync' }), each(0)],
    ['runs that are mapped, and stay', () => steps('intel', map(page, askew), { type: 'sync' }), each(2) + each(2)],
    ['a run of pages, to virtio-iommu', () => steps('virtio', map(page)), each(1)],
    ['a run of what is cut, to virtio-iommu', () => steps('virtio', map(page, askew)), each(1 + 3 * 104)],
    ['an unmap, which leaves a run more', () => steps('intel', { type: 'unmap' }, { type: 'sync' }), each(1) + each(1)],
    [
      'translations that go page by page, too',
      () => steps('intel', { type: 'invalidate-pages' }, { type: 'sync' }),
      each(1) + each(1),
    ],
    ['a plug, which leaves a section more', () => steps('intel', { type: 'plug' }, { type: 'sync' }), 2 * each(0, 3)],
  ])('counts %s', (_name, estimate, expected) => {
    expect(estimate()).toBe(expected);
  });
});

describe('what happens behind a vIOMMU', () => {
  it.each(['map', 'unmap', 'switch', 'translation'])('is refused where there is none: %s', (type) => {
    const event = {
      map: { mappings: [] },
      unmap: { iova: '0x0', size: '0x1000' },
      switch: { to: 'dma' },
      translation: { on: true },
    }[type];
    const simulated = simulateRequest(request({ '/vm/viommu': null, '/events': [{ type, ...event }] }));
    expect(simulated).toEqual({
      faults: [
        {
          pointer: '/events/0/type',
          detail: 'happens behind a vIOMMU, and no device that it concerns is behind one',
        },
      ],
    });
  });
});
