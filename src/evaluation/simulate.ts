import { check, deviceId, type Fault } from '../descriptor/check.ts';
import type { Container } from '../descriptor/container.ts';
import { constant, type Fact, map, record, unknownOf } from '../descriptor/fact.ts';
import { hasIommuGroup, readMachine, readMappings } from '../descriptor/machine.ts';
import { hex, parseSize } from '../descriptor/quantities.ts';
import { questionAt } from '../descriptor/questions.ts';
import { resolve, type Scenario } from '../descriptor/scenario.ts';
import type { EventDescriptor, SimulationRequest } from '../descriptor/simulation.ts';
import { kernelAbilities } from '../platform/kernel.ts';
import {
  type Domain,
  figuresOf,
  type GuestEvent,
  leftMapped,
  type Machine,
  type MappingRun,
  react,
  type State,
  type Step,
  stateIn,
} from '../simulator/index.ts';
import { expansionOf } from './expansion.ts';
import type { Trace, TraceStep } from './trace.ts';

/** Steps that one simulation may come to. */
export const STEPS_MAX = 200_000;

const LIMIT = 1000;

/** What is wrong with a request to simulate, or what came of it. */
export type Simulated = { readonly faults: readonly Fault[] } | { readonly trace: Trace };

/** What comes of `request`, all at once. */
export function simulateRequest(request: SimulationRequest): Simulated {
  const steps = simulating(request);
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
}

/**
 * Runs the events of `request`, which has the right shape, one after the other on every container that they concern. Yields
 * after each step and each event, so that whoever runs it may do something else in between.
 */
export function* simulating(request: SimulationRequest): Generator<undefined, Simulated> {
  const { events, limit = LIMIT, ...descriptor } = request;
  const wrong = [...check(descriptor), ...checkEvents(request)];
  if (wrong.length > 0) return { faults: wrong };
  const scenario = resolve(descriptor, 'source');
  const opened = scenario.containers.map((container) => open(scenario, container));
  const missing = unknownOf(opened.map(({ start }) => start));
  if (missing) return { faults: missing.lacks.map(lackFault) };
  const running = opened.flatMap(({ container, start }) =>
    start.known ? [{ container, ...start.value, steps: [] as Step[] }] : [],
  );
  const idle = [...withoutViommu(running, events)];
  if (idle.length > 0) return { faults: idle };
  const needed = running.reduce(
    (sum, { machine, container }) => sum + expansionOf(machine, eventsFor(container, events)),
    0,
  );
  if (needed > STEPS_MAX) {
    return { faults: [{ pointer: '/events', detail: `may come to ${needed} steps; at most ${STEPS_MAX}` }] };
  }
  return yield* run(running, events, limit);
}

interface Running {
  readonly container: Container;
  readonly machine: Machine;
  readonly state: State;
  readonly assumptions: readonly string[];
  readonly steps: Step[];
}

function* run(
  running: readonly Running[],
  events: readonly EventDescriptor[],
  limit: number,
): Generator<undefined, Simulated> {
  const listed: TraceStep[] = [];
  let count = 0;
  for (const [index, event] of events.entries()) {
    for (const { container, state, steps } of running) {
      if (!concerns(event, container)) continue;
      try {
        for (const step of react(state, guestEventOf(event))) {
          steps.push(step);
          if (++count > STEPS_MAX) return { faults: [tooMany(index, count)] };
          if (listed.length < limit) listed.push(traced(step, index, container.id));
          yield;
        }
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        return { faults: [{ pointer: `/events/${index}`, detail: error.message }] };
      }
      yield;
    }
  }
  const steps = running.reduce((sum, each) => sum + each.steps.length, 0);
  return {
    trace: {
      containers: running.map(outcome),
      steps,
      truncated: steps > listed.length,
      trace: listed,
      assumptions: [...new Set(running.flatMap(({ assumptions }) => assumptions))],
    },
  };
}

/** What only a vIOMMU hears of. */
const OF_VIOMMU: readonly EventDescriptor['type'][] = [
  'map',
  'unmap',
  'switch',
  'attach',
  'invalidate',
  'invalidate-pages',
  'translation',
  'driver-detach',
];

/** Events that would come to nothing since there is no vIOMMU: said, not passed over. */
function* withoutViommu(running: readonly Running[], events: readonly EventDescriptor[]): Generator<Fault> {
  for (const [index, event] of events.entries()) {
    if (!OF_VIOMMU.includes(event.type)) continue;
    if (running.every(({ machine, container }) => !concerns(event, container) || machine.viommu.model === 'none')) {
      yield {
        pointer: `/events/${index}/type`,
        detail: 'happens behind a vIOMMU, and no device that it concerns is behind one',
      };
    }
  }
}

const tooMany = (event: number, steps: number): Fault => ({
  pointer: `/events/${event}`,
  detail: `comes to more than ${steps - 1} steps`,
});

/** An event that names no device concerns all. */
const concerns = (event: EventDescriptor, { devices }: Container): boolean =>
  !('device' in event) || event.device === undefined || devices.some(({ id }) => id === event.device);

const eventsFor = (container: Container, events: readonly EventDescriptor[]): EventDescriptor[] =>
  events.filter((event) => concerns(event, container));

interface Opened {
  readonly container: Container;
  readonly start: Fact<Omit<Running, 'container' | 'steps'>>;
}

/** The container as the simulation finds it: tracking off, its devices where the guest attached them. */
function open({ host, vm }: Scenario, container: Container): Opened {
  const { loggingRanges, trackingStartFailure, protocol } = host.qemu;
  const [device] = container.devices;
  const viommu = container.addressSpace === 'memory' ? null : vm.viommu;
  const guestDomain = device?.descriptor.guestDomain;
  const domain: Fact<Domain> =
    viommu === null
      ? constant('identity')
      : guestDomain
        ? constant(guestDomain)
        : { known: false, lacks: [`${device?.pointer}/guestDomain`] };
  const facts = record({
    still: readMachine(container, viommu, host),
    tracks: record({ loggingRanges, trackingStartFailure, protocol }),
    mapped: container.sections,
    domain,
  });
  const start = map(facts, ({ still, tracks, mapped, domain: from }) => {
    const abilities = host.kernelVersion.known ? kernelAbilities(host.kernelVersion.value) : undefined;
    const machine: Machine = {
      ...still,
      behaviours: { ...still.behaviours, ...tracks },
      container: {
        ...still.container,
        ...(abilities && {
          kernel: {
            abilities,
            iommuGroup: hasIommuGroup(container.devices),
            iovaRanges: [],
            dmaEntryLimit: BigInt(host.dmaEntryLimit),
            ...(host.memlockLimit !== null && { memlockLimit: host.memlockLimit }),
          },
        }),
      },
      tracking: 'off',
      mappings: readMappings(device?.descriptor.mappings ?? []),
      sections: mapped.sections,
    };
    const assumptions = abilities
      ? mapped.assumptions
      : [...mapped.assumptions, 'The kernel is taken to be Linux 7.1, without limits.'];
    return { machine, state: stateIn(machine, from), assumptions };
  });
  return { container, start };
}

const lackFault = (pointer: string): Fault => ({
  pointer,
  detail: pointer.endsWith('/guestDomain')
    ? 'a simulation needs to know what the guest attached the device to: dma, identity or blocking'
    : `a simulation needs to know: ${questionAt(pointer).obtain}`,
});

function* checkEvents({ vm, events }: SimulationRequest): Generator<Fault> {
  const ids = vm.vfio.map(deviceId);
  if (ids.length === 0) yield { pointer: '/vm/vfio', detail: 'a simulation is of at least one device' };
  for (const [index, event] of events.entries()) {
    const pointer = `/events/${index}`;
    if ('device' in event && event.device !== undefined && !ids.includes(event.device)) {
      yield { pointer: `${pointer}/device`, detail: 'no device in /vm/vfio has this id' };
    }
    if ('mappings' in event && event.mappings) {
      for (const fault of check({ vm: { memory: 1, vfio: [{ mappings: event.mappings }] }, source: {} })) {
        yield { ...fault, pointer: `${pointer}${fault.pointer.replace('/vm/vfio/0', '')}` };
      }
    }
    if (event.type === 'plug' && (parseSize(event.size) ?? 0n) === 0n)
      yield { pointer: `${pointer}/size`, detail: 'from 1 byte to 2^64 - 1' };
    if (
      (event.type === 'unmap' || event.type === 'invalidate-pages') &&
      (BigInt(event.size) === 0n || BigInt(event.iova) + BigInt(event.size) > 1n << 64n)
    ) {
      yield { pointer: `${pointer}/size`, detail: 'from 1 byte to the end of the address space' };
    }
  }
}

function guestEventOf(event: EventDescriptor): GuestEvent {
  switch (event.type) {
    case 'map':
      return { type: 'map', mappings: readMappings(event.mappings) };
    case 'unmap':
      return { type: 'unmap', iova: BigInt(event.iova), size: BigInt(event.size) };
    case 'switch':
    case 'attach':
      return { type: event.type, to: event.to, mappings: readMappings(event.mappings ?? []) };
    case 'invalidate-pages':
      return { type: 'invalidate', scope: 'pages', iova: BigInt(event.iova), size: BigInt(event.size) };
    case 'invalidate':
      return { type: 'invalidate', scope: event.scope };
    case 'plug': {
      const size = parseSize(event.size) as bigint;
      return { type: 'plug', section: { gpa: BigInt(event.gpa), size, readOnly: event.readOnly ?? false } };
    }
    case 'unplug':
      return { type: 'unplug', gpa: BigInt(event.gpa) };
    case 'tracking-start':
      return { type: 'tracking-start', by: event.by };
    case 'translation':
      return { type: 'translation', on: event.on };
    case 'driver-detach':
    case 'device-reset':
    case 'system-reset':
    case 'sync':
    case 'tracking-stop':
      return { type: event.type };
  }
}

/** A step as JSON: addresses and sizes of ranges in hex, amounts as integers. */
function traced(step: Step, event: number, container: string): TraceStep {
  const plain = JSON.parse(JSON.stringify(step, written)) as Omit<TraceStep, 'event' | 'container'>;
  const { kind, ...rest } = plain;
  return { kind, event, container, ...rest } as TraceStep;
}

function written(key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return key === 'iova' || key === 'size' || key === 'gpa' ? hex(value) : Number(value);
}

function outcome({ container, state, steps }: Running): Trace['containers'][number] {
  const left = leftMapped(state);
  const figures = figuresOf({ steps, leftMapped: left });
  return {
    id: container.id,
    devices: container.devices.map(({ id }) => id),
    totals: {
      unmapCalls: Number(figures.unmapCalls),
      mapCalls: Number(figures.mapCalls),
      ioctls: Number(figures.allIoctls),
      bitmaps: Number(figures.bitmaps),
      bitmapBytesAllocated: Number(figures.bitmapBytesAllocated),
      largestBitmapBytes: Number(figures.largestBitmapBytes),
      peakBitmapBytes: Number(figures.peakBitmapBytes),
      unmapFailures: Number(figures.failures),
      mapFailures: Number(figures.mapFailures),
      queries: Number(figures.queries),
      queryBitmapBytes: Number(figures.queryBitmapBytes),
      dirtyBytes: Number(figures.dirtyBytes),
      dirtyBytesAtMost: Number(figures.dirtyBytesAtMost),
      leftMappedBytes: Number(figures.leftMappedBytes),
      dirtyBytesLost: Number(figures.dirtyBytesLost),
      trackingKernelBytes: Number(figures.trackingKernelBytes),
    },
    leftMapped: left.map(writtenRun),
  };
}

const writtenRun = ({ iova, size, count, gpa }: MappingRun): Trace['containers'][number]['leftMapped'][number] => ({
  iova: hex(iova),
  size: hex(size),
  count: Number(count),
  ...(gpa !== undefined && { gpa: hex(gpa) }),
});
