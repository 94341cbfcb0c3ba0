import {
  type Domain,
  lockedBytes,
  type Machine,
  type MappingRun,
  mappingsOf,
  type QueryStep,
  react,
  seesMemory,
  type State,
  stateIn,
  totalMappings,
  type TrackingStartStep,
} from '../simulator/index.ts';
import { limitsKey, MAPS_NOTHING, type MappingLimits, mapsWords, mostMapped } from './bounds.ts';
import { choose, constant, type Fact, map, record } from './fact.ts';
import type { Host } from './host.ts';
import { machineKey, readMappings, type SimulatedContainer, type StillMachine } from './machine.ts';
import { Remembered } from './remembered.ts';
import type { VfioDescriptor } from './schema.ts';
import { NO_SECTIONS, type Sections } from './sections.ts';

/** A container and what decides what becomes of it when the VM migrates. */
export interface Setting {
  readonly container: SimulatedContainer;
  readonly still: Fact<StillMachine>;
  readonly host: Host;
  /** What the container maps while its devices see system memory. */
  readonly sections: () => Fact<Sections>;
  /** Bytes of the guest's memory. */
  readonly guestMemory: bigint;
  /** Whether devices see system memory as the VM starts, and no more once the guest turns its IOMMU on. */
  readonly startsInMemory: boolean;
}

/** What a container holds on the host. */
export interface Held {
  /** Mappings, each of them a DMA entry of type1. */
  readonly mappings: bigint;
  /** Bytes of locked memory: for certain, and at most. */
  readonly lockedBytes: bigint;
  readonly lockedBytesAtMost: bigint;
}

/** A migration that starts, with one guest that there may be: dirty tracking starts, and one pass is made. */
export interface MigrationRun {
  /** What the guest does, in words; empty where that makes no difference. */
  readonly guest: string;
  readonly held: Held;
  readonly start: TrackingStartStep;
  readonly queries: readonly QueryStep[];
}

/** A migration with every guest that there may be, and what was assumed; no run where QEMU takes no such device. */
export interface MigrationRuns {
  readonly runs: readonly MigrationRun[];
  readonly assumptions: readonly string[];
}

/** Starts to migrate with every guest that the container may have: one if its domain and its mappings are known. */
export function readRuns({ container, still: itself, host, sections, guestMemory }: Setting): Fact<MigrationRuns> {
  const { loggingRanges, trackingStartFailure } = host.qemu;
  const facts = record({
    still: itself,
    tracks: record({ loggingRanges, trackingStartFailure }),
  });
  const limits = { dmaEntryLimit: host.dmaEntryLimit, guestMemory };
  return choose(facts, ({ still, tracks }) => {
    const machine = { ...still, behaviours: { ...still.behaviours, ...tracks } };
    const domains = domainsOf(machine, container);
    const mappings = domains.includes('dma') ? container.devices[0]?.descriptor.mappings : undefined;
    const isInMemory = domains.some((domain) => seesMemory(machine, domain, true));
    return map(isInMemory ? sections() : NO_SECTIONS, (mapped) => {
      const key = `${machineKey(still)} ${Object.values(tracks).join(' ')} ${limitsKey(machine, limits)}`;
      const runs = remembered.of(mappings, `${key} ${domains.join()} ${mapped.key()}`, () =>
        runsOf(machine, mapped, domains, mappings, limits, key),
      );
      // Equal sections may rest on other assumptions.
      return { runs, assumptions: mapped.assumptions };
    });
  });
}

const remembered = new Remembered<MigrationRuns['runs']>();

/** Where the guest may have attached the device; one of them where all come to the same. */
function domainsOf(machine: StillMachine, { devices }: SimulatedContainer): readonly Domain[] {
  if (seesMemory(machine, 'dma', true)) return ['identity'];
  const given = devices[0]?.descriptor.guestDomain;
  return given === undefined ? ['identity', 'blocking', 'dma'] : [given];
}

interface Guest {
  readonly does: string;
  readonly domain: Domain;
  readonly mappings: readonly MappingRun[];
}

function runsOf(
  still: StillMachine,
  { sections }: Sections,
  domains: readonly Domain[],
  mappings: VfioDescriptor['mappings'],
  limits: MappingLimits,
  key: string,
): MigrationRun[] {
  const guests = domains.flatMap((domain): Guest[] => {
    if (domain !== 'dma') return [{ does: attachedTo[domain], domain, mappings: [] }];
    if (mappings) return [{ does: 'the guest maps what is listed', domain, mappings: readMappings(mappings) }];
    const mapped = [[], ...mostMapped(still, limits)];
    return mapped.map((each) => ({ does: mapsWords(each), domain, mappings: each }));
  });
  const start = ({ domain, mappings: mapped }: Guest): Started | null =>
    startMigration({ ...still, tracking: 'off', mappings: mapped, sections }, domain);
  return guests.flatMap((guest): MigrationRun[] => {
    const isApart = mappings === undefined && !seesMemory(still, guest.domain, true);
    const started = isApart ? behindViommu.of(undefined, `${key} ${guest.does}`, () => start(guest)) : start(guest);
    return started ? [{ guest: guests.length === 1 ? '' : guest.does, ...started }] : [];
  });
}

/** Of guests that are not in system memory, whatever that is. */
const behindViommu = new Remembered<Started | null>();

type Started = Omit<MigrationRun, 'guest'>;

const attachedTo = {
  identity: 'the guest leaves its memory as it is to the device',
  blocking: MAPS_NOTHING,
} as const;

function startMigration(machine: Machine, domain: Domain): Started | null {
  const state = stateIn(machine, domain);
  const held = heldBy(state);
  const [start] = [...react(state, { type: 'tracking-start', by: 'migration' })];
  if (start?.kind !== 'tracking-start') return null;
  const queries = [...react(state, { type: 'sync' })].filter((step) => step.kind === 'query');
  return { held, start, queries };
}

function heldBy({ host }: State): Held {
  const { now, atMost } = lockedBytes(host);
  return { mappings: totalMappings(mappingsOf(host)), lockedBytes: now, lockedBytesAtMost: atMost };
}

/** What the container holds when the VM starts, beyond what it holds as its guest is now. */
export function readHeldAtStart({ still: itself, sections, startsInMemory }: Setting): Fact<Held> {
  if (!startsInMemory) return NOTHING_HELD;
  return choose(itself, (still) =>
    map(sections(), (mapped) =>
      heldAtStart.of(undefined, `${machineKey(still)} ${mapped.key()}`, () =>
        heldBy(stateIn({ ...still, tracking: 'off', mappings: [], sections: mapped.sections }, 'identity')),
      ),
    ),
  );
}

const heldAtStart = new Remembered<Held>();
const NOTHING_HELD: Fact<Held> = constant({ mappings: 0n, lockedBytes: 0n, lockedBytesAtMost: 0n });
