import { larger, type QueryStep, smaller } from '../simulator/index.ts';
import type { Device } from './device.ts';
import { choose, constant, type Fact, map, record } from './fact.ts';
import type { Migration } from './migration.ts';
import type { MigrationRuns } from './migration-run.ts';
import { oncePer } from './remembered.ts';

/** How long a migration must stop the guest for what devices dirty, and whether it ever comes to that. */
export interface Convergence {
  /** Bytes of guest memory that each pass finds dirty: at most, and for certain. */
  readonly dirtyBytes: bigint;
  readonly dirtyBytesAtLeast: bigint;
  /** Milliseconds; absent without a bandwidth, or where nothing is dirty for certain. */
  readonly downtimeFloorMs?: bigint;
  readonly converges: boolean | 'unknown';
  readonly assumptions: readonly string[];
}

interface Part {
  readonly id: string;
  readonly devices: readonly Device[];
  readonly runs: Fact<MigrationRuns>;
}

/**
 * Whether a migration converges as far as devices go: with type1 every mapped page is dirty on every pass, so that what
 * is left to send never gets less than that. `null` where memory is not copied from a running guest, for no device, or
 * where QEMU takes one of them not.
 *
 * Models `migration_iteration_run` (migration/migration.c), which stops the guest once what is left fits into the
 * downtime limit, over `update_user_bitmap` (drivers/vfio/vfio_iommu_type1.c) with a group that never pinned.
 */
export function readConvergence(
  containers: readonly Part[],
  { mode, bandwidth, downtimeLimitMs }: Migration,
  guestMemory: bigint,
): Fact<Convergence | null> {
  if (containers.length === 0) return constant(null);
  return choose(mode, (kind) => {
    if (kind !== 'normal') return constant(null);
    const facts = record({
      parts: record(Object.fromEntries(containers.map((part) => [part.id, dirtyPart(part)]))),
      bandwidth,
      downtimeLimitMs,
    });
    return map(facts, (known) => {
      const parts = Object.values(known.parts);
      if (parts.some(({ guests }) => guests.length === 0)) return null;
      const found = converge(parts, known.bandwidth, known.downtimeLimitMs, guestMemory);
      const isDefault = 'origin' in downtimeLimitMs && downtimeLimitMs.origin === 'default';
      if (found.converges === 'unknown' || !isDefault) return found;
      const stop = `The guest is taken to be stopped for ${known.downtimeLimitMs} ms at most, QEMU’s default.`;
      return { ...found, assumptions: [...found.assumptions, stop] };
    });
  });
}

/** Guest memory: stretches of it, and bytes whose place in it is not known. */
interface Memory {
  readonly stretches: readonly Stretch[];
  readonly elsewhere: bigint;
}

/** From (inclusive), to (exclusive). */
type Stretch = readonly [from: bigint, to: bigint];

/** What a pass over one container finds dirty, with one guest that there may be. */
interface Dirty {
  readonly certain: Memory;
  readonly atMost: Memory;
}

/** What the passes over one container find dirty, with each guest that there may be. */
interface DirtyPart {
  readonly guests: readonly Dirty[];
  /** Whether that is asked for before the guest stops (`x-pre-copy-dirty-page-tracking`). */
  readonly isSynced: boolean;
}

const dirtyPart = ({ devices, runs }: Part): Fact<DirtyPart> =>
  map(runs, (known) => ({
    guests: dirtyOf(known.runs),
    isSynced: devices.every(({ descriptor }) => descriptor.preCopyDirtyTracking !== 'off'),
  }));

const dirtyOf = oncePer((runs: MigrationRuns['runs']): Dirty[] =>
  runs.map(({ queries }) => ({
    certain: dirtyMemory(queries, ({ dirtyBytes }) => dirtyBytes),
    atMost: dirtyMemory(queries, ({ dirtyBytesAtMost }) => dirtyBytesAtMost),
  })),
);

function dirtyMemory(queries: readonly QueryStep[], dirty: (step: QueryStep) => bigint): Memory {
  const stretches: Stretch[] = [];
  let elsewhere = 0n;
  for (const step of queries) {
    const bytes = dirty(step);
    const isWhole = bytes === step.size * step.count;
    if (step.gpa !== undefined && isWhole) stretches.push([step.gpa, step.gpa + bytes]);
    else elsewhere += bytes;
  }
  return { stretches, elsewhere };
}

function converge(
  parts: readonly DirtyPart[],
  bandwidth: bigint | null,
  limitMs: number,
  guestMemory: bigint,
): Convergence {
  const certain = certainBytes(parts);
  const atMost = larger(certain, smaller(guestMemory, bytesAtMost(parts)));
  const dirty = { dirtyBytes: atMost, dirtyBytesAtLeast: certain };
  const placed = isPlaced(parts) ? [] : ['Mappings without a guest address are taken to map memory of their own.'];
  if (bandwidth === null) return { ...dirty, converges: 'unknown', assumptions: placed };
  const fits = (bytes: bigint): boolean => bytes * 1000n <= BigInt(limitMs) * bandwidth;
  const floor = certain > 0n && { downtimeFloorMs: (certain * 1000n) / bandwidth };
  if (!fits(certainBytes(parts.filter(({ isSynced }) => isSynced)))) {
    return { ...dirty, ...floor, converges: false, assumptions: placed };
  }
  // Whatever the guest writes meanwhile, there is no more to send than all of its memory.
  if (!fits(larger(atMost, guestMemory))) return { ...dirty, ...floor, converges: 'unknown', assumptions: placed };
  const state = 'The state of devices, whose size is not known, is not counted.';
  return { ...dirty, ...floor, converges: true, assumptions: [...placed, state] };
}

const isPlaced = (parts: readonly DirtyPart[]): boolean =>
  parts.every(({ guests }) => guests.length > 1 || guests.every(({ certain }) => certain.elsewhere === 0n));

/** Bytes that are dirty whatever the guests do: containers that map the same memory dirty it once. */
function certainBytes(parts: readonly DirtyPart[]): bigint {
  const together = unionBytes(alone(parts).flatMap(({ certain }) => certain.stretches));
  return parts
    .map(({ guests }) => guests.map(({ certain }) => bytesOf(certain)).reduce(smaller))
    .reduce(larger, together);
}

/** Bytes that may be dirty, of which containers share no more than what is known to be the same. */
function bytesAtMost(parts: readonly DirtyPart[]): bigint {
  const single = alone(parts);
  const together = unionBytes(single.flatMap(({ atMost }) => atMost.stretches));
  const unplaced = single.reduce((sum, { atMost }) => sum + atMost.elsewhere, 0n);
  return parts
    .filter(({ guests }) => guests.length > 1)
    .map(({ guests }) => guests.map(({ atMost }) => bytesOf(atMost)).reduce(larger))
    .reduce((sum, bytes) => sum + bytes, together + unplaced);
}

/** What is dirty in containers whose guest is known. */
const alone = (parts: readonly DirtyPart[]): readonly Dirty[] =>
  parts.flatMap(({ guests }) => (guests.length === 1 ? guests : []));

const bytesOf = ({ stretches, elsewhere }: Memory): bigint => unionBytes(stretches) + elsewhere;

/** Bytes that lie in any of `stretches`. */
function unionBytes(stretches: readonly Stretch[]): bigint {
  let bytes = 0n;
  let end = 0n;
  for (const [from, to] of stretches.toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
    if (to <= end) continue;
    bytes += to - larger(from, end);
    end = to;
  }
  return bytes;
}
