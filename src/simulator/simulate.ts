import { switchAddressSpace } from './address-space.ts';
import { notifyUnmaps } from './viommu/notify.ts';
import { announce } from './viommu/notifier.ts';
import { startTracking, stopTracking, syncDirtyPages } from './dirty-tracking.ts';
import { attach, switchTo } from './domain-switch.ts';
import type { GuestEvent } from './events.ts';
import type { Domain, Machine, MemorySection } from './machine.ts';
import { lastByte, type MappingRun } from './mapping-runs.ts';
import { addMemorySection, removeMemorySection } from './memory-sections.ts';
import { leftMapped, type State, stateIn } from './state.ts';
import type { Step } from './steps.ts';
import * as amd from './viommu/amd.ts';
import { clearLeaves, mapLeaves } from './viommu/guest-table.ts';
import * as intel from './viommu/intel.ts';
import { notifiersOf } from './viommu/sections.ts';
import * as virtio from './viommu/virtio.ts';

/** A simulated run: everything in order, and what the host maps at the end although the guest no longer does. */
export interface Simulation {
  readonly steps: readonly Step[];
  readonly leftMapped: readonly MappingRun[];
}

/** A machine and where its guest is at first. */
export interface SimulatedMachine extends Machine {
  readonly domain: Domain;
}

/**
 * What QEMU and the kernel do, in order, when `events` happen to `machine`. The cost grows with runs of mappings, never
 * with the mappings in them.
 *
 * @throws RangeError when mappings overlap, or a guest with page tables maps less than pages of 4 KiB.
 */
export function simulate(machine: SimulatedMachine, events: Iterable<GuestEvent>): Simulation {
  const state = stateIn(machine, machine.domain);
  const steps: Step[] = [];
  for (const event of events) for (const step of react(state, event)) steps.push(step);
  return { steps, leftMapped: leftMapped(state) };
}

/** What each event comes to. */
const reactions: {
  readonly [Type in GuestEvent['type']]: (state: State, event: Extract<GuestEvent, { type: Type }>) => Iterable<Step>;
} = {
  map: (state, { mappings }) => mapPages(state, mappings),
  unmap: (state, { iova, size }) => unmapPages(state, iova, size),
  attach: (state, next) => attach(state, next),
  switch: (state, next) => switchTo(state, next),
  invalidate: (state, event) => invalidate(state, event),
  translation: (state, { on }) => translate(state, on),
  'driver-detach': (state) => unmapEachPage(state),
  'device-reset': () => [],
  'system-reset': (state) => resetSystem(state),
  plug: (state, { section }) => plug(state, section),
  unplug: (state, { gpa }) => unplug(state, gpa),
  'tracking-start': (state, { by }) => startTracking(state, by),
  sync: (state) => syncDirtyPages(state),
  'tracking-stop': (state) => stopTracking(state),
};

/** What `event` makes QEMU do; `state` is afterwards as the event leaves it. */
export function* react(state: State, event: GuestEvent): Generator<Step> {
  const { viommu } = state.machine;
  if (viommu.model === 'smmuv3' && !viommu.accel) yield { kind: 'refused', reason: 'smmuv3-without-accel' };
  else yield* (reactions[event.type] as (state: State, event: GuestEvent) => Iterable<Step>)(state, event);
}

/** The walk over [start, end) that a vIOMMU with page tables makes when it is told that pages changed. */
const walkRange = (state: State, start: bigint, end: bigint): Iterable<Step> =>
  state.machine.viommu.model === 'amd' ? amd.walkRange(state, start, end) : intel.walkRange(state, start, end);

const unmapNotifiers = (state: State): Iterable<Step> =>
  state.machine.viommu.model === 'amd' ? amd.unmapNotifiers(state) : intel.unmapNotifiers(state);

function* mapPages(state: State, mappings: readonly MappingRun[]): Generator<Step> {
  for (const run of mappings) {
    if (state.machine.viommu.model === 'virtio') yield* virtio.mapRequest(state, run);
    else {
      mapLeaves(state.table, run);
      yield* walkRange(state, run.iova, lastByte(run) + 1n);
    }
  }
}

function* unmapPages(state: State, iova: bigint, size: bigint): Generator<Step> {
  if (state.machine.viommu.model === 'virtio') yield* virtio.unmapRequest(state, iova, size);
  else {
    clearLeaves(state.table, iova, iova + size - 1n);
    yield* walkRange(state, iova, iova + size);
  }
}

/** One invalidation a page, so that each is unmapped by itself. */
function* unmapEachPage(state: State): Generator<Step> {
  const { machine, table, tree, view } = state;
  const runs = [...table.leaves];
  for (const run of runs) {
    table.leaves.take(run.iova, lastByte(run));
    tree.take(run.iova, lastByte(run));
    if (view !== 'viommu') continue;
    const { gpa: _now, ...gone } = run;
    const pieces = machine.viommu.model === 'virtio' ? [...virtio.pieces(gone)] : [gone];
    for (const notifier of notifiersOf(machine.viommu)) {
      for (const piece of pieces) {
        yield* notifyUnmaps(
          state,
          [...announce(piece, notifier)].map((notice) => ({ ...notice, translatedAddress: 0n })),
        );
      }
    }
  }
}

/**
 * An invalidation after which the entry says what it said. One of all contexts, or of a domain's, unmaps every notifier
 * and maps all again; one that finds no context entry unmaps them whole once more, but for a domain's IOTLB entries, whose
 * domain is then not known.
 *
 * Models `vtd_context_global_invalidate`, `vtd_iotlb_global_invalidate`, `vtd_iotlb_domain_invalidate` and
 * `vtd_iotlb_page_invalidate` (hw/i386/intel_iommu.c, QEMU 10.2). virtio-iommu has none.
 */
function* invalidate(state: State, event: Extract<GuestEvent, { type: 'invalidate' }>): Generator<Step> {
  if (notifiersOf(state.machine.viommu).length === 0 || state.machine.viommu.model === 'virtio') return;
  switch (event.scope) {
    case 'pages':
      yield* walkRange(state, event.iova, event.iova + event.size);
      return;
    case 'iotlb-domain':
      yield* walkRange(state, 0n, 1n << 64n);
      return;
    case 'context-domain':
    case 'context-global':
      yield* unmapNotifiers(state);
      yield* switchAddressSpace(state);
      yield* syncAddressSpace(state);
      return;
    case 'context-device':
      yield* switchAddressSpace(state);
      yield* syncAddressSpace(state);
      return;
    case 'iotlb-global':
      yield* syncAddressSpace(state);
      return;
    case 'pasid':
  }
}

/** Models `vtd_address_space_sync`. */
const syncAddressSpace = (state: State): Iterable<Step> =>
  state.domain === 'blocking' ? unmapNotifiers(state) : walkRange(state, 0n, 1n << 64n);

/** Models `vtd_handle_gcmd_te`: every notifier is told to unmap, then every address space is switched. */
function* translate(state: State, on: boolean): Generator<Step> {
  state.translation = on;
  if (state.machine.viommu.model === 'virtio') {
    yield* switchAddressSpace(state);
    return;
  }
  yield* unmapNotifiers(state);
  yield* switchAddressSpace(state);
}

/**
 * Devices' BARs go; the vIOMMU forgets every entry and stops translating; an endpoint of virtio-iommu leaves its domain.
 *
 * Models `vtd_reset_exit`, `amdvi_sysbus_reset`, `virtio_iommu_system_reset` (QEMU 10.2, 11.1), as observed.
 */
function* resetSystem(state: State): Generator<Step> {
  const { model } = state.machine.viommu;
  for (const { gpa, vfioPci = false } of state.sections) if (vfioPci) yield* unplug(state, gpa);
  if (model === 'virtio') yield* attach(state, { to: 'identity' });
  else if (model === 'intel' || model === 'amd') {
    state.domain = 'blocking';
    clearLeaves(state.table, 0n, (1n << 64n) - 1n);
    yield* translate(state, false);
  }
}

function* plug(state: State, section: MemorySection): Generator<Step> {
  state.sections = [...state.sections, section].toSorted((a, b) => (a.gpa < b.gpa ? -1 : 1));
  if (state.view === 'memory') yield* addMemorySection(state, section);
}

function* unplug(state: State, gpa: bigint): Generator<Step> {
  const section = state.sections.find((each) => each.gpa === gpa);
  if (!section) return;
  state.sections = state.sections.filter((each) => each !== section);
  if (state.view === 'memory') yield* removeMemorySection(state, section);
}
