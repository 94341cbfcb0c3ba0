import {
  type Domain,
  figuresOf,
  INTERRUPT_WINDOW,
  type Machine,
  type MappingRun,
  switchDomain,
  type UnmapFigures,
} from '../simulator/index.ts';
import { formatSize, hex } from './quantities.ts';

const KIB_4 = 1n << 12n;
const GIB = 1n << 30n;

/** What unknown mappings may cost: the worst of some extreme guests, beside the cost when nothing is mapped. */
export interface Bounds {
  readonly figures: UnmapFigures;
  readonly atLeast?: UnmapFigures;
  readonly assumptions: readonly string[];
}

type Amount =
  | 'unmapCalls'
  | 'ioctls'
  | 'bitmaps'
  | 'bitmapBytesAllocated'
  | 'largestBitmapBytes'
  | 'failures'
  | 'leftMappedBytes'
  | 'dirtyBytesLost';

const AMOUNTS: readonly Amount[] = [
  'unmapCalls',
  'ioctls',
  'bitmaps',
  'bitmapBytesAllocated',
  'largestBitmapBytes',
  'failures',
  'leftMappedBytes',
  'dirtyBytesLost',
];

/**
 * Bounds of a switch over everything the guest may have mapped. `empty` is its cost with nothing mapped, the lower
 * bound. Each upper bound is reached by one of the {@link extremes}, named in `assumptions`; a figure that none of them
 * moves is exact.
 */
export function bounds(machine: Machine, from: Domain, to: Domain, empty: UnmapFigures, dmaEntryLimit: number): Bounds {
  const figures = { ...empty };
  const assumptions = new Map<Amount, string>();
  for (const mappings of extremes(machine, dmaEntryLimit)) {
    const reached = figuresOf(switchDomain({ ...machine, mappings }, from, to));
    for (const amount of AMOUNTS) {
      if (reached[amount] <= figures[amount]) continue;
      figures[amount] = reached[amount];
      assumptions.set(amount, `${amount} at most: the guest maps ${described(mappings)}`);
    }
  }
  if (assumptions.size === 0) return { figures, assumptions: [] };
  const least = `${[...assumptions.keys()].join(', ')} at least: the guest maps nothing`;
  return { figures, atLeast: empty, assumptions: [...assumptions.values(), least] };
}

/**
 * The guests that cost most, each by one measure: the most mappings (smallest pages) and the most bytes (largest pages),
 * from below the interrupt window up, from above it, and in the top half of the aperture, which no bitmap covers whole.
 * type1 holds at most `dmaEntryLimit` mappings; iommufd as many as the aperture has pages. A guest may map the same
 * memory many times, so that RAM bounds neither.
 */
function extremes({ container, viommu }: Machine, dmaEntryLimit: number): MappingRun[][] {
  const top = 1n << BigInt(viommu.model === 'intel' ? viommu.addressWidth : 48);
  const limit = container.backend === 'legacy' ? BigInt(dmaEntryLimit) : top / KIB_4;
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

const described = (runs: readonly MappingRun[]): string =>
  runs.map(({ iova, size, count }) => `${count} x ${formatSize(size)} from ${hex(iova)}`).join(' and ');
