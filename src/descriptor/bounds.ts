import {
  type Domain,
  highestBit,
  INTERRUPT_WINDOW,
  type Machine,
  type MappingRun,
  switchCost,
  type UnmapFigures,
} from '../simulator/index.ts';
import { formatSize, hex } from './quantities.ts';

const KIB_4 = 1n << 12n;
const GIB = 1n << 30n;

/** What something costs that rests on a guest of which not all is known: exact, or the upper bounds beside the lower ones. */
export interface Bounds<Figures> {
  readonly figures: Figures;
  readonly atLeast?: Figures;
  /** What each bound was reached with, in sentences. */
  readonly assumptions: readonly string[];
}

/** One guest that there may be, and what it costs. */
export interface Witness<Figures> {
  /** What it does, in words. */
  readonly guest: string;
  readonly figures: Figures;
}

/**
 * The most and the least that any of the `witnesses`, of which there is at least one, costs by each of `amounts`. Each
 * bound is told with the first that reaches it; a figure that all agree on is exact. What is no amount is the first's.
 */
export function boundsOver<Amount extends string, Figures extends Readonly<Record<Amount, bigint>>>(
  amounts: readonly Amount[],
  witnesses: readonly Witness<Figures>[],
): Bounds<Figures> {
  const [first] = witnesses as [Witness<Figures>];
  const most: Record<string, bigint> = {};
  const least: Record<string, bigint> = {};
  const assumptions: string[] = [];
  const leastBy = new Map<string, Amount[]>();
  for (const amount of amounts) {
    let [highest, lowest] = [first, first];
    for (const each of witnesses) {
      if (each.figures[amount] > highest.figures[amount]) highest = each;
      if (each.figures[amount] < lowest.figures[amount]) lowest = each;
    }
    most[amount] = highest.figures[amount];
    least[amount] = lowest.figures[amount];
    if (highest === lowest) continue;
    assumptions.push(`${amount} at most: ${highest.guest}`);
    leastBy.set(lowest.guest, [...(leastBy.get(lowest.guest) ?? []), amount]);
  }
  const figures = { ...first.figures, ...most };
  if (assumptions.length === 0) return { figures, assumptions };
  for (const [guest, its] of leastBy) assumptions.push(`${its.join(', ')} at least: ${guest}`);
  return { figures, atLeast: { ...first.figures, ...least }, assumptions };
}

const AMOUNTS = [
  'unmapCalls',
  'ioctls',
  'bitmaps',
  'bitmapBytesAllocated',
  'largestBitmapBytes',
  'failures',
  'leftMappedBytes',
  'dirtyBytesLost',
] as const satisfies readonly (keyof UnmapFigures)[];

/**
 * Bounds of a switch over everything that the guest may have mapped, `empty` being its cost with nothing mapped. A failure
 * is one that any of the {@link mostMapped} meets with.
 */
export function bounds(
  machine: Machine,
  from: Domain,
  to: Domain,
  empty: UnmapFigures,
  limits: MappingLimits,
): Bounds<UnmapFigures> {
  const witnesses = [
    { guest: MAPS_NOTHING, figures: empty },
    ...mostMapped(machine, limits).map((mappings) => ({
      guest: mapsWords(mappings),
      figures: switchCost({ ...machine, mappings }, from, to).figures,
    })),
  ];
  const { figures, ...rest } = boundsOver(AMOUNTS, witnesses);
  const first = (failure: 'firstFailure' | 'fatal') =>
    witnesses.find((each) => each.figures[failure] !== null)?.figures[failure] ?? null;
  return { figures: { ...figures, firstFailure: first('firstFailure'), fatal: first('fatal') }, ...rest };
}

/** What keeps a guest from mapping more. */
export interface MappingLimits {
  /** Mappings that type1 holds. */
  readonly dmaEntryLimit: number;
  /** Bytes of the guest's memory. */
  readonly guestMemory: bigint;
}

/** Equal for limits that {@link mostMapped} holds the guests of a machine to alike. */
export const limitsKey = (
  { container, viommu }: Pick<Machine, 'container' | 'viommu'>,
  { dmaEntryLimit, guestMemory }: MappingLimits,
): string => `${container.backend === 'legacy' ? dmaEntryLimit : ''} ${viommu.model === 'virtio' ? guestMemory : ''}`;

/**
 * The guests that cost most, each by one measure: the most mappings (smallest pages) and the most bytes (largest pages),
 * from below the interrupt window up, from above it, and in the top half of the aperture, which no bitmap covers whole.
 * A mapping of virtio-iommu is as large as the guest likes: here as its memory, at most.
 *
 * type1 holds at most `dmaEntryLimit` mappings; iommufd as many as the aperture has pages. A guest may map the same
 * memory many times, so that RAM bounds neither.
 */
export function mostMapped(
  { container, viommu }: Pick<Machine, 'container' | 'viommu'>,
  { dmaEntryLimit, guestMemory }: MappingLimits,
): MappingRun[][] {
  const top = 1n << BigInt(viommu.model === 'intel' ? viommu.addressWidth : 48);
  const limit = container.backend === 'legacy' ? BigInt(dmaEntryLimit) : top / KIB_4;
  if (viommu.model === 'virtio') {
    const sizes = guestMemory > KIB_4 ? [KIB_4, highestBit(guestMemory)] : [KIB_4];
    return sizes.map((size) => fill([[0n, top]], size, limit));
  }
  const low: Span = [0n, INTERRUPT_WINDOW.start];
  const high: Span = [INTERRUPT_WINDOW.end + 1n, top];
  const highGib: Span = [4n * GIB, top];
  return [
    fill([low, high], KIB_4, limit),
    fill([high, low], KIB_4, limit),
    fill([low, highGib], GIB, limit),
    fill([highGib, low], GIB, limit),
    fill([[top / 2n, top]], GIB, limit),
  ];
}

/** IOVAs from (inclusive), to (exclusive). */
type Span = readonly [from: bigint, to: bigint];

/** As many mappings of `size` as fit into `spans`, in their order, and as `limit` allows. */
function fill(spans: readonly Span[], size: bigint, limit: bigint): MappingRun[] {
  const runs: MappingRun[] = [];
  let left = limit;
  for (const [from, to] of spans) {
    const fits = to > from ? (to - from) / size : 0n;
    const count = fits < left ? fits : left;
    if (count > 0n) runs.push({ iova: from, size, count });
    left -= count;
  }
  return runs;
}

export const MAPS_NOTHING = 'the guest maps nothing';

export const mapsWords = (runs: readonly MappingRun[]): string =>
  runs.length === 0
    ? MAPS_NOTHING
    : `the guest maps ${runs.map(({ iova, size, count }) => `${count} x ${formatSize(size)} from ${hex(iova)}`).join(' and ')}`;
