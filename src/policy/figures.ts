import type { Bounds } from '../descriptor/bounds.ts';
import type { Container } from '../descriptor/container.ts';
import { choose, constant, type Fact, isKnownToBe, map, record } from '../descriptor/fact.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import { larger } from '../simulator/index.ts';

export type Backend = 'legacy' | 'iommufd';

/** A figure that may depend on what the guest does: both bounds inclusive, the same where it does not. */
export interface Range {
  readonly most: bigint;
  readonly least: bigint;
}

/** What a site may hold against a limit, or read in a rule. Sizes in bytes. */
export const figures = {
  largestBitmap: {
    says: 'the largest dirty bitmap',
    of: (here: Scenario, of: readonly Container[]) =>
      most([...switches(here, of, 'largestBitmapBytes'), ...passes(of, 'largestBitmapBytes')]),
  },
  totalBitmap: {
    says: 'the dirty bitmaps of one domain switch, or of one pass, together',
    of: (here: Scenario, of: readonly Container[]) =>
      most([...switches(here, of, 'bitmapBytesAllocated'), total(passes(of, 'bitmapBytes'))]),
  },
  unmapCalls: {
    says: 'the DMA unmaps of one domain switch',
    of: (here: Scenario, of: readonly Container[]) => most(switches(here, of, 'unmapCalls')),
  },
  trackingMemory: {
    says: 'the kernel memory for dirty tracking',
    of: (_here: Scenario, of: readonly Container[]) =>
      total(of.map(({ trackingStart }) => rangeOf(trackingStart, ({ kernelBytes }) => kernelBytes))),
  },
  dirtyBytesPerPass: {
    says: 'what each pass finds dirty',
    of: (here: Scenario, of: readonly Container[]) =>
      of.length === here.containers.length ? dirtyBytes(here) : total(passes(of, 'dirtyBytesPerPass')),
  },
  lockedMemory: {
    says: 'the memory that is locked',
    of: (here: Scenario) => rangeOf(here.needs(), ({ memlockBytes }) => memlockBytes),
  },
  dmaEntries: {
    says: 'the DMA entries of the fullest container',
    of: (here: Scenario) => rangeOf(here.needs(), ({ dmaEntries }) => dmaEntries),
  },
} as const satisfies Readonly<
  Record<string, { readonly says: string; readonly of: (here: Scenario, of: readonly Container[]) => Fact<Range> }>
>;
export type FigureName = keyof typeof figures;

/** The figure called `name` over the containers of one backend, or of any. */
export const figureOf = (here: Scenario, name: FigureName, backend?: Backend): Fact<Range> =>
  figures[name].of(
    here,
    backend === undefined ? here.containers : here.containers.filter((each) => isKnownToBe(each.backend, backend)),
  );

const NOTHING: Fact<Range> = constant({ most: 0n, least: 0n });

const most = (ranges: readonly Fact<Range>[]): Fact<Range> =>
  together(ranges, (a, b) => ({ most: larger(a.most, b.most), least: larger(a.least, b.least) }));

const total = (ranges: readonly Fact<Range>[]): Fact<Range> =>
  together(ranges, (a, b) => ({ most: a.most + b.most, least: a.least + b.least }));

function together(ranges: readonly Fact<Range>[], join: (a: Range, b: Range) => Range): Fact<Range> {
  const [only, ...others] = ranges;
  if (only === undefined) return NOTHING;
  if (others.length === 0) return only;
  const known = record(Object.fromEntries(ranges.map((range, index) => [index, range])));
  return map(known, (each) => Object.values(each).reduce(join));
}

/** What QEMU takes no device for costs nothing. */
const rangeOf = <Figures>(cost: Fact<Bounds<Figures> | null>, of: (figures: Figures) => bigint): Fact<Range> =>
  map(cost, (known) =>
    known === null ? { most: 0n, least: 0n } : { most: of(known.figures), least: of(known.atLeast ?? known.figures) },
  );

/** What each switch costs, if the guest may make one. */
function switches(
  here: Scenario,
  containers: readonly Container[],
  name: 'largestBitmapBytes' | 'bitmapBytesAllocated' | 'unmapCalls',
): Fact<Range>[] {
  const may = here.migration.mayHappen('domain-switch');
  return containers.flatMap(({ transitions }) =>
    transitions.map(({ cost }) =>
      choose(may, (happens) => (happens ? rangeOf(cost, (costs) => costs[name]) : NOTHING)),
    ),
  );
}

const passes = (
  containers: readonly Container[],
  name: 'largestBitmapBytes' | 'bitmapBytes' | 'dirtyBytesPerPass',
): Fact<Range>[] => containers.map(({ sync }) => rangeOf(sync, (costs) => costs[name]));

/** Memory that several containers map counts once. */
const dirtyBytes = (here: Scenario): Fact<Range> =>
  map(here.convergence(), (known) =>
    known === null ? { most: 0n, least: 0n } : { most: known.dirtyBytes, least: known.dirtyBytesAtLeast },
  );
