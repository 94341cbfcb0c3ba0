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
import { readMachine, readMappings, type SimulatedContainer } from './machine.ts';
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

const NO_SECTIONS: Fact<Sections> = constant({ sections: [], assumptions: [] });

/** Every switch away from the domain the guest is in; from each of them where that is not known. */
export function transitionsOf(
  device: Device,
  container: SimulatedContainer,
  viommu: Viommu,
  host: Host,
  sections: () => Fact<Sections>,
): Transition[] {
  const { guestDomain } = device.descriptor;
  return SWITCHES.filter(({ from }) => guestDomain === undefined || from === guestDomain).map(({ from, to }) => ({
    from,
    to,
    cost: choose(from === 'identity' ? sections() : NO_SECTIONS, ({ sections: mapped, assumptions }) =>
      map(readMachine(container, viommu, host), (still) => {
        const machine: Machine = { ...still, tracking: 'migration', mappings: [], sections: mapped };
        const cost = costOf(machine, device, host, from, to);
        return { ...cost, assumptions: [...assumptions, ...cost.assumptions] };
      }),
    ),
  }));
}

/** Costs by everything they rest on: the same few for a whole fleet. */
const known = new Map<string, TransitionCost>();
const KNOWN_MAX = 1024;

/** Those that rest on the mappings of one descriptor, which is judged again and again while facts are missing. */
const knownOf = new WeakMap<object, Map<string, TransitionCost>>();

function costOf(
  machine: Machine,
  { descriptor }: Device,
  { dmaEntryLimit }: Host,
  from: Domain,
  to: Domain,
): TransitionCost {
  const mappings = from === 'dma' ? descriptor.mappings : undefined;
  const costs = mappings ? (knownOf.get(mappings) ?? new Map<string, TransitionCost>()) : known;
  if (mappings) knownOf.set(mappings, costs);
  const key = JSON.stringify([{ ...machine, mappings: [] }, from, to, dmaEntryLimit], (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString(16) : value,
  );
  const cost =
    costs.get(key) ??
    (mappings
      ? exactCost({ ...machine, mappings: readMappings(mappings) }, from, to)
      : boundedCost(machine, from, to, dmaEntryLimit));
  if (costs.size >= KNOWN_MAX) costs.clear();
  costs.set(key, cost);
  return cost;
}

function exactCost(machine: Machine, from: Domain, to: Domain): TransitionCost {
  const trace = switchDomain(machine, from, to);
  return { strategy: trace.strategy, figures: figuresOf(trace), assumptions: [] };
}

function boundedCost(machine: Machine, from: Domain, to: Domain, dmaEntryLimit: number): TransitionCost {
  const trace = switchDomain(machine, from, to);
  const figures = figuresOf(trace);
  const bounded = from === 'dma' ? bounds(machine, from, to, figures, dmaEntryLimit) : { figures, assumptions: [] };
  return { strategy: trace.strategy, ...bounded };
}
