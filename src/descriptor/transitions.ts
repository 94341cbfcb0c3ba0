import {
  type Domain,
  figuresOf,
  type Machine,
  type Strategy,
  switchDomain,
  type UnmapFigures,
} from '../simulator/index.ts';
import { bounds } from './bounds.ts';
import type { Device } from './device.ts';
import { choose, constant, type Fact, map } from './fact.ts';
import type { Host } from './host.ts';
import { machineKey, readMachine, readMappings, type SimulatedContainer, type StillMachine } from './machine.ts';
import type { VfioDescriptor } from './schema.ts';
import type { Sections } from './sections.ts';
import type { Viommu } from './vm.ts';

/** What it costs when the guest moves the container's device `from` one domain `to` another. */
export interface Transition {
  readonly from: Domain;
  readonly to: Domain;
  readonly cost: Fact<TransitionCost>;
}

export interface TransitionCost {
  readonly strategy: Strategy;
  /** Exact, or the upper bounds where `atLeast` holds the lower ones. */
  readonly figures: UnmapFigures;
  readonly atLeast?: UnmapFigures;
  /** What each bound was reached with. */
  readonly assumptions: readonly string[];
}

/** The switches that unmap anything. */
const SWITCHES: readonly { readonly from: Domain; readonly to: Domain }[] = [
  { from: 'dma', to: 'blocking' },
  { from: 'dma', to: 'identity' },
  { from: 'identity', to: 'blocking' },
  { from: 'identity', to: 'dma' },
  { from: 'blocking', to: 'identity' },
];

const NO_SECTIONS: Fact<Sections> = constant({ sections: [], assumptions: [], key: () => '' });

/** Every switch away from the domain the guest is in; from each of them where that is not known. */
export function transitionsOf(
  { descriptor }: Device,
  container: SimulatedContainer,
  viommu: Viommu,
  host: Host,
  sections: () => Fact<Sections>,
): Transition[] {
  const { guestDomain, mappings } = descriptor;
  const still = readMachine(container, viommu, host);
  return SWITCHES.filter(({ from }) => guestDomain === undefined || from === guestDomain).map(({ from, to }) => ({
    from,
    to,
    cost: choose(still, (machine) =>
      map(from === 'identity' ? sections() : NO_SECTIONS, (mapped) =>
        costOf(machine, mapped, from === 'dma' ? mappings : undefined, host.dmaEntryLimit, from, to),
      ),
    ),
  }));
}

/** Costs by everything they rest on: the same few for a whole fleet. */
const known = new Map<string, TransitionCost>();
const KNOWN_MAX = 1024;

/** Those that rest on the mappings of one descriptor, which is judged again and again while facts are missing. */
const knownOf = new WeakMap<object, Map<string, TransitionCost>>();

function costOf(
  still: StillMachine,
  { sections, key: sectionsKey, assumptions }: Sections,
  mappings: VfioDescriptor['mappings'],
  dmaEntryLimit: number,
  from: Domain,
  to: Domain,
): TransitionCost {
  const costs = mappings ? (knownOf.get(mappings) ?? new Map<string, TransitionCost>()) : known;
  if (mappings) knownOf.set(mappings, costs);
  const key = `${machineKey(still)} ${dmaEntryLimit} ${from} ${to} ${sectionsKey()}`;
  const before = costs.get(key);
  if (before) return before;
  const machine: Machine = { ...still, tracking: 'migration', mappings: [], sections };
  const cost = mappings
    ? exactCost({ ...machine, mappings: readMappings(mappings) }, from, to)
    : boundedCost(machine, from, to, dmaEntryLimit);
  if (costs.size >= KNOWN_MAX) costs.clear();
  const assumed = { ...cost, assumptions: [...assumptions, ...cost.assumptions] };
  costs.set(key, assumed);
  return assumed;
}

function exactCost(machine: Machine, from: Domain, to: Domain): TransitionCost {
  const trace = switchDomain(machine, from, to);
  return { strategy: trace.strategy, figures: figuresOf(trace), assumptions: [] };
}

function boundedCost(machine: Machine, from: Domain, to: Domain, dmaEntryLimit: number): TransitionCost {
  const trace = switchDomain(machine, from, to);
  const figures = figuresOf(trace);
  const bounded =
    from === 'dma'
      ? bounds(machine, from, to, figures, { dmaEntryLimit, guestMemory: 0n })
      : { figures, assumptions: [] };
  return { strategy: trace.strategy, ...bounded };
}
