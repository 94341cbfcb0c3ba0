import { describe, expect, it } from 'vitest';
import { withValueAt } from '../../src/descriptor/pointer.ts';
import type { SimulationRequest } from '../../src/descriptor/simulation.ts';
import { simulateRequest, STEPS_MAX } from '../../src/evaluation/simulate.ts';
import { expansionOf } from '../../src/evaluation/expansion.ts';
import type { Trace } from '../../src/evaluation/trace.ts';
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
  return simulated.trace;
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
      { '/vm/viommu': null, '/events': [track, { type: 'sync' }] },
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

describe('a simulation is refused', () => {
  it.each<[string, Readonly<Record<string, unknown>>, string]>([
    ['without the facts that it needs', { '/source/qemu': undefined }, '/source/qemu'],
    [
      'when nobody says where the guest attached the device',
      { '/vm/vfio/0/guestDomain': undefined },
      '/vm/vfio/0/guestDomain',
    ],
    ['without a device', { '/vm/vfio': [], '/source/devices': {} }, '/vm/vfio'],
    ['for a device that is not there', { '/events': [{ ...leave, device: 'eth0' }] }, '/events/0/device'],
    [
      'for mappings that overlap',
      { '/events': [{ type: 'map', mappings: [0, 0].map(() => ({ iova: '0x0', pageSize: '4KiB', count: 1 })) }] },
      '/events/0/mappings/1',
    ],
    [
      'for a range past the end',
      { '/events': [{ type: 'unmap', iova: '0xfffffffffffff000', size: '0x2000' }] },
      '/events/0/size',
    ],
    ['for what the descriptor alone would be refused for', { '/vm/memory': '0x0' }, '/vm/memory'],
  ])('%s', (_name, given, pointer) => {
    const simulated = simulateRequest(request(given));
    expect('faults' in simulated && simulated.faults.map((fault) => fault.pointer)).toEqual([pointer]);
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

describe('what happens behind a vIOMMU', () => {
  it.each(['map', 'unmap', 'switch', 'translation'])('is refused where there is none: %s', (type) => {
    const event = {
      map: { mappings: [] },
      unmap: { iova: '0x0', size: '0x1000' },
      switch: { to: 'dma' },
      translation: { on: true },
    }[type];
    const simulated = simulateRequest(request({ '/vm/viommu': null, '/events': [{ type, ...event }] }));
    expect('faults' in simulated && simulated.faults.map(({ pointer }) => pointer)).toEqual(['/events/0/type']);
  });
});
