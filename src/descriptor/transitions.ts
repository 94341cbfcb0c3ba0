import {
  type Domain,
  type Machine,
  seesMemory,
  type Strategy,
  switchCost,
  type UnmapFigures,
} from '../simulator/index.ts';
import { type Bounds, bounds, limitsKey, type MappingLimits } from './bounds.ts';
import type { Device } from './device.ts';
import { choose, type Fact, map } from './fact.ts';
import type { Host } from './host.ts';
import { machineKey, readMappings, type StillMachine } from './machine.ts';
import { Remembered } from './remembered.ts';
import type { VfioDescriptor } from './schema.ts';
import { NO_SECTIONS, type Sections } from './sections.ts';

/** What it costs when the guest moves the container's device `from` one domain `to` another. */
export interface Transition {
  readonly from: Domain;
  readonly to: Domain;
  readonly cost: Fact<TransitionCost>;
}

export interface TransitionCost extends Bounds<UnmapFigures> {
  readonly strategy: Strategy;
}

/** The switches that unmap anything. */
const SWITCHES: readonly { readonly from: Domain; readonly to: Domain }[] = [
  { from: 'dma', to: 'blocking' },
  { from: 'dma', to: 'identity' },
  { from: 'identity', to: 'blocking' },
  { from: 'identity', to: 'dma' },
  { from: 'blocking', to: 'identity' },
];

/** Every switch away from the domain the guest is in; from each of them where that is not known. */
export function transitionsOf(
  { descriptor }: Device,
  still: Fact<StillMachine>,
  host: Host,
  sections: () => Fact<Sections>,
  guestMemory: bigint,
): Transition[] {
  const { guestDomain, mappings } = descriptor;
  const limits = { dmaEntryLimit: host.dmaEntryLimit, guestMemory };
  return SWITCHES.filter(({ from }) => guestDomain === undefined || from === guestDomain).map(({ from, to }) => ({
    from,
    to,
    cost: choose(still, (machine) =>
      map(leavesMemory(machine, from, to) ? sections() : NO_SECTIONS, (mapped) =>
        costOf(machine, mapped, from === 'dma' ? mappings : undefined, limits, from, to),
      ),
    ),
  }));
}

/** Whether sections of memory are taken away: virtio-iommu shows an endpoint memory between one domain and the next. */
const leavesMemory = (machine: StillMachine, from: Domain, to: Domain): boolean =>
  (from === 'identity' || (machine.viommu.model === 'virtio' && to === 'blocking')) &&
  !seesMemory(machine, 'dma', true);

const remembered = new Remembered<TransitionCost>();

function costOf(
  still: StillMachine,
  { sections, key: sectionsKey, assumptions }: Sections,
  mappings: VfioDescriptor['mappings'],
  limits: MappingLimits,
  from: Domain,
  to: Domain,
): TransitionCost {
  const key = `${machineKey(still)} ${limitsKey(still, limits)} ${from} ${to} ${sectionsKey()}`;
  return remembered.of(mappings, key, () => {
    const machine: Machine = { ...still, tracking: 'migration', mappings: [], sections };
    if (mappings) return { ...switchCost({ ...machine, mappings: readMappings(mappings) }, from, to), assumptions };
    const { strategy, figures } = switchCost(machine, from, to);
    if (from !== 'dma') return { strategy, figures, assumptions };
    const bounded = bounds(machine, from, to, figures, limits);
    return { strategy, ...bounded, assumptions: [...assumptions, ...bounded.assumptions] };
  });
}
