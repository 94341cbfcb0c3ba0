import {
  type Domain,
  figuresOf,
  type Machine,
  type MappingRun,
  type Strategy,
  switchDomain,
  type Tracker,
  type UnmapFigures,
} from '../simulator/index.ts';
import { bounds } from './bounds.ts';
import type { Device } from './device.ts';
import { choose, constant, type Fact, map, record } from './fact.ts';
import type { Host } from './host.ts';
import { parseSize } from './quantities.ts';
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

/** What of a container the cost of a switch depends on. */
interface Model {
  readonly tracker: Fact<Tracker>;
  readonly backend: Fact<'legacy' | 'iommufd'>;
  readonly devices: readonly Device[];
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
  container: Model,
  viommu: Viommu,
  host: Host,
  sections: () => Fact<Sections>,
): Transition[] {
  const { guestDomain } = device.descriptor;
  return SWITCHES.filter(({ from }) => guestDomain === undefined || from === guestDomain).map(({ from, to }) => ({
    from,
    to,
    cost: choose(from === 'identity' ? sections() : NO_SECTIONS, ({ sections: mapped, assumptions }) =>
      map(machineOf(device, container, viommu, host), (machine) => {
        const cost = costOf({ ...machine, sections: mapped }, device, host, from, to);
        return { ...cost, assumptions: [...assumptions, ...cost.assumptions] };
      }),
    ),
  }));
}

/** The simulator's machine while dirty tracking is on. */
function machineOf(device: Device, { tracker, backend, devices }: Model, viommu: Viommu, host: Host): Fact<Machine> {
  const { domainUnmap, bitmapGate, iommufdUnmap, regionDelBitmap } = host.qemu;
  const facts = record({
    behaviours: record({ domainUnmap, bitmapGate, iommufdUnmap, regionDelBitmap }),
    addressWidth: viommu.addressWidth,
    scalableMode: viommu.scalableMode,
    firstStage: viommu.firstStage,
    tracker,
    backend,
    pageSize: host.pageSize,
    maxDirtyBitmapSize: host.maxDirtyBitmapSize,
  });
  return map(facts, (known) => ({
    behaviours: known.behaviours,
    viommu: {
      model: 'intel',
      addressWidth: known.addressWidth,
      scalableMode: known.scalableMode,
      firstStage: known.firstStage,
    },
    container: {
      backend: known.backend,
      tracker: known.tracker,
      devices: devices.length,
      trackingHwpts: known.tracker === 'iommu' ? 1 : 0,
      pageSize: known.pageSize,
      maxDirtyBitmapSize: known.maxDirtyBitmapSize,
      allocatable: host.memory,
    },
    tracking: 'migration',
    mappings: readMappings(device) ?? [],
    sections: [],
  }));
}

const readMappings = ({ descriptor }: Device): MappingRun[] | undefined =>
  descriptor.mappings?.map(({ iova, pageSize, count, gpa }) => ({
    iova: BigInt(iova),
    size: parseSize(pageSize) as bigint,
    count: BigInt(count),
    ...(gpa !== undefined && { gpa: BigInt(gpa) }),
  }));

/** Costs that rest on no given mapping, by everything they rest on: the same few for a whole fleet. */
const known = new Map<string, TransitionCost>();
const KNOWN_MAX = 1024;

function costOf(
  machine: Machine,
  { descriptor }: Device,
  { dmaEntryLimit }: Host,
  from: Domain,
  to: Domain,
): TransitionCost {
  if (from === 'dma' && descriptor.mappings !== undefined) {
    const trace = switchDomain(machine, from, to);
    return { strategy: trace.strategy, figures: figuresOf(trace), assumptions: [] };
  }
  const key = JSON.stringify([machine, from, to, dmaEntryLimit], (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString(16) : value,
  );
  const cost = known.get(key) ?? boundedCost(machine, from, to, dmaEntryLimit);
  if (known.size >= KNOWN_MAX) known.clear();
  known.set(key, cost);
  return cost;
}

function boundedCost(machine: Machine, from: Domain, to: Domain, dmaEntryLimit: number): TransitionCost {
  const trace = switchDomain(machine, from, to);
  const figures = figuresOf(trace);
  const bounded = from === 'dma' ? bounds(machine, from, to, figures, dmaEntryLimit) : { figures, assumptions: [] };
  return { strategy: trace.strategy, ...bounded };
}
