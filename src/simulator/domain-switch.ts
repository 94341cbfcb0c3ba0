import type { UnmapStep } from './container/unmap-step.ts';
import { switchAddressSpace } from './address-space.ts';
import type { Attachment } from './events.ts';
import type { Domain, Machine, Viommu } from './machine.ts';
import { type Figures, tally } from './figures.ts';
import { type MappingRun, totalBytes } from './mapping-runs.ts';
import { leftMapped, type State, seesMemory, stateIn, tableOf } from './state.ts';
import type { Pass, Step } from './steps.ts';
import * as amd from './viommu/amd.ts';
import * as intel from './viommu/intel.ts';
import * as virtio from './viommu/virtio.ts';

/** From here on the guest's entry says what `next` says; see {@link attachPasses}. */
const readEntry = Symbol('readEntry');

/** What one vIOMMU does when the guest attaches its group, pass by pass in QEMU's order, by what it attaches it to. */
type AttachPasses = { readonly [To in Domain]: readonly (Pass | typeof readEntry)[] };

/**
 * Attaching a domain, by vIOMMU.
 *
 * - intel: in legacy mode the address space is switched before anything is unmapped, so that notifiers which have just
 *   appeared are told to unmap the whole aperture. In scalable mode an entry that is gone unmaps first, once: notifiers
 *   that only then appear hear nothing.
 * - amd: bypass unmaps like blocking, then takes the notifiers away.
 * - virtio: an endpoint leaves its domain before it enters another, and between the two sees system memory. It has no
 *   blocking domain: a Linux guest attaches an empty one.
 *
 * Models `vtd_address_space_sync` with `vtd_context_device_invalidate` and `vtd_pasid_cache_sync` (hw/i386/intel_iommu.c),
 * `amdvi_update_addr_translation_mode` (amd_iommu.c), `virtio_iommu_attach` (hw/virtio/virtio-iommu.c), QEMU 7.2 to 11.1,
 * intel and virtio as observed in 10.0.13 and 11.1.3.
 */
const attachPasses: { readonly [Kind in 'intel' | 'intel-scalable' | 'amd' | 'virtio' | 'none']: AttachPasses } = {
  intel: {
    blocking: [readEntry, switchAddressSpace, intel.unmapNotifiers],
    identity: [readEntry, switchAddressSpace],
    dma: [readEntry, switchAddressSpace, intel.walkPageTable],
  },
  'intel-scalable': {
    blocking: [readEntry, intel.unmapNotifiers, switchAddressSpace],
    identity: [readEntry, switchAddressSpace],
    dma: [readEntry, switchAddressSpace, intel.walkPageTable],
  },
  amd: {
    blocking: [readEntry, amd.unmapNotifiers, switchAddressSpace],
    identity: [readEntry, amd.unmapNotifiers, switchAddressSpace],
    dma: [readEntry, switchAddressSpace, amd.walkPageTable],
  },
  virtio: {
    blocking: [virtio.leaveDomain, bypass, readEntry, switchAddressSpace],
    identity: [virtio.leaveDomain, bypass, readEntry],
    dma: [virtio.leaveDomain, bypass, readEntry, switchAddressSpace],
  },
  none: { blocking: [readEntry], identity: [readEntry], dma: [readEntry] },
};

function kindOf(viommu: Viommu): keyof typeof attachPasses {
  switch (viommu.model) {
    case 'intel':
      return viommu.scalableMode ? 'intel-scalable' : 'intel';
    case 'amd':
    case 'virtio':
      return viommu.model;
    case 'smmuv3':
    case 'none':
      return 'none';
  }
}

/** An endpoint without a domain sees system memory (`boot-bypass`, on by default). */
function* bypass(state: State): Generator<Step> {
  state.domain = 'identity';
  yield* switchAddressSpace(state);
}

/** The guest attaches its group to `next`, whatever it was attached to. */
export function* attach(state: State, next: Attachment): Generator<Step> {
  const kind = kindOf(state.machine.viommu);
  if (kind === 'intel-scalable' && state.domain === 'blocking' && next.to === 'blocking') return;
  for (const pass of attachPasses[kind][next.to]) {
    if (pass === readEntry) enter(state, next);
    else yield* pass(state);
  }
}

function enter(state: State, { to, mappings = [], tables = [] }: Attachment): void {
  const { viommu } = state.machine;
  state.domain = viommu.model === 'virtio' && to === 'blocking' ? 'dma' : to;
  state.table = tableOf(viommu, mappings, tables);
}

/** Whether the guest reaches every domain through blocking, as Linux does where the vIOMMU has it. */
const goesThroughBlocking = ({ model }: Viommu): boolean => model === 'intel' || model === 'amd';

/** The guest moves its group to `next` as Linux does. Where it already is it stays, but for another DMA domain. */
export function* switchTo(state: State, next: Attachment): Generator<Step> {
  if (state.domain === next.to && next.to !== 'dma') return;
  if (!goesThroughBlocking(state.machine.viommu)) yield* attach(state, next);
  else {
    if (state.domain !== 'blocking') yield* attach(state, { to: 'blocking' });
    if (next.to !== 'blocking') yield* attach(state, next);
  }
}

/** How a switch unmaps: the whole aperture, what the IOVA tree holds, each mapping, whole sections, or nothing. */
export type Strategy = 'whole' | 'tracked' | 'per-mapping' | 'sections' | 'none';

/** A simulated switch: every unmap in order, and what the host still maps although the guest's domain no longer does. */
export interface Trace {
  readonly strategy: Strategy;
  readonly steps: readonly UnmapStep[];
  readonly leftMapped: readonly MappingRun[];
}

/** What a simulated switch comes to. */
export interface SwitchCost {
  readonly strategy: Strategy;
  readonly figures: Figures;
}

/**
 * What QEMU unmaps, and what that costs, when the guest moves the container's device `from` one domain `to` another,
 * a DMA domain being empty at first.
 */
export function switchDomain(machine: Machine, from: Domain, to: Domain): Trace {
  const state = stateIn(machine, from);
  const steps = [...unmapsIn(switchTo(state, { to }))];
  return { strategy: strategyOf(machine, from, to), steps, leftMapped: leftMapped(state) };
}

/** What {@link switchDomain} costs; its steps, of which there may be thousands, are not kept. */
export function switchCost(machine: Machine, from: Domain, to: Domain): SwitchCost {
  const state = stateIn(machine, from);
  const figures = tally(unmapsIn(switchTo(state, { to })));
  return {
    strategy: strategyOf(machine, from, to),
    figures: { ...figures, leftMappedBytes: totalBytes(leftMapped(state)) },
  };
}

function* unmapsIn(steps: Iterable<Step>): Generator<UnmapStep> {
  for (const step of steps) if (step.kind === 'unmap') yield step;
}

function strategyOf(machine: Machine, from: Domain, to: Domain): Strategy {
  const { viommu, behaviours, tracking } = machine;
  if (from === to && to !== 'dma') return 'none';
  if (from === 'dma' && !seesMemory(machine, from, true)) {
    if (viommu.model === 'virtio') return 'per-mapping';
    return viommu.model === 'intel' && intel.tracksUnmaps(behaviours, tracking) ? 'tracked' : 'whole';
  }
  return seesMemory(machine, from, true) === seesMemory(machine, to, true) ? 'none' : 'sections';
}
