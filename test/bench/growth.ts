import { check } from '../../src/descriptor/check.ts';
import type { Descriptor, VfioDescriptor } from '../../src/descriptor/schema.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { placementsOf } from '../../src/evaluation/placements.ts';
import type { PlacementRequest } from '../../src/evaluation/placements-schema.ts';
import { namedSchemas, ref } from '../../src/http/schemas.ts';
import { validators } from '../../src/http/validation.ts';
import { compareMeasured, cpuClock, inProcess, type Row, type Timing } from './compare.ts';
import { inventoried } from './documents.ts';
import { slope } from './statistics.ts';

/** The exponent that the cost of a request may grow with. */
const GOAL = 1.1;

const compile = validators(namedSchemas());
const isDescriptor = compile({ schema: ref('Descriptor') });
const isPlacement = compile({ schema: ref('PlacementRequest') });

const validated = (isValid: true | object): void => {
  if (isValid !== true) throw new Error('not valid');
};

/** All that the service does for a request, but for the connection. */
function evaluated(text: string): void {
  const descriptor = JSON.parse(text) as Descriptor;
  validated(isDescriptor(descriptor));
  if (check(descriptor).length > 0) throw new Error('a fault');
  JSON.stringify(evaluate(descriptor));
}

function placed(text: string): void {
  const request = JSON.parse(text) as PlacementRequest;
  validated(isPlacement(request));
  const { candidates: _, ...vm } = request;
  if (check(vm).length > 0) throw new Error('a fault');
  const steps = placementsOf(request);
  let step = steps.next();
  while (step.done !== true) step = steps.next();
  JSON.stringify(step.value);
}

/** Least squares of log(cost) over log(size): by what power of the size the cost grows. */
export const exponentOf = (sizes: readonly number[], costs: readonly number[]): number =>
  slope(costs.map(Math.log), sizes.map(Math.log));

/** The largest sizes are those that show it: of smaller ones a request costs what it costs with none. */
const FITTED = 5;

interface Growing {
  readonly what: string;
  readonly most: number;
  /** Requests about that many, and as long a time for each lesser size, that are enough for a clock. */
  readonly times: number;
  /** A request about `size` of them. */
  readonly of: (size: number, index: number) => unknown;
  readonly answer: (text: string) => void;
  /** Whether CI looks at it, too. */
  readonly isBrief?: true;
}

/** How the cost of a request grows with how many there are of something in it, of which no two are alike. */
async function growth({ what, most, times, of, answer }: Growing, short: boolean): Promise<Row> {
  const sizes = Array.from({ length: FITTED }, (_, halvings) => Math.round(most / 2 ** halvings)).toReversed();
  let index = 0;
  const repeats = (size: number): number => Math.ceil((times * (short ? 1 : 3) * most) / Math.max(size, sizes[0] ?? 1));
  // V8 compiles what it saw often: the first to be timed is to be as fast as the last.
  const warm = cpuClock() + (short ? 2000 : 5000);
  while (cpuClock() < warm) answer(JSON.stringify(of(sizes[0] ?? 1, index++)));
  const texts = (size: number): string[] =>
    Array.from({ length: repeats(size) }, () => JSON.stringify(of(size, index++)));
  const measured = await compareMeasured(
    [1, ...sizes].map((size) =>
      inProcess(
        `${size} ${what}`,
        () => texts(size),
        (all) => all.forEach(answer),
      ),
    ),
    { rounds: short ? 3 : 9, warmUp: 2 },
  );
  const timings = measured.map((timing, at): Timing => {
    const count = repeats([1, ...sizes][at] as number);
    return { name: timing.name, median: timing.median / count, least: timing.least / count, most: timing.most / count };
  });
  // Whatever else the machine does only adds.
  const fitted = timings.slice(1).map(({ least }) => least);
  const exponent = exponentOf(sizes, fitted);
  return {
    job: `CPU of a request by ${what}, from its bytes to those of its answer`,
    timings,
    each: { of: 1, unit: 'request' },
    ratios: [
      `CPU grows with the power ${exponent.toFixed(2)}: least squares of the logarithms, of the least for each of the last ${FITTED}`,
    ],
    goal: `at most ${GOAL}`,
    // How many times as long the largest takes as it may, given the smallest that was fitted.
    excess: 2 ** ((FITTED - 1) * (exponent - GOAL)),
  };
}

/** Mappings that are not back to back, of four pages each. */
const scattered = (runs: number): VfioDescriptor['mappings'] =>
  Array.from({ length: runs }, (_, run) => ({
    iova: `0x${(0x1_0000_0000 + run * 0x10_000).toString(16)}`,
    pageSize: '4KiB',
    count: 4,
    gpa: `0x${(0x1_0000_0000 + run * 0x4000).toString(16)}`,
  }));

const plain = (devices: number, index: number) =>
  inventoried({ index, devices, translated: false, backend: 'iommufd' });
const translated = (devices: number, index: number) =>
  inventoried({ index, devices, translated: true, backend: 'iommufd' });
const mapped = (backend: 'legacy' | 'iommufd') => (runs: number, index: number) =>
  inventoried({ index, devices: 1, translated: true, backend, mappings: scattered(runs) });

/** A VM and hosts of which no two are alike. */
function placement(candidates: number, index: number): unknown {
  const vm = plain(4, index);
  const hosts = Array.from({ length: candidates }, (_, at) => ({
    ref: `host-${at}`,
    host: { ...vm.source, memory: `${512 + at}GiB` },
  }));
  return { ...vm, candidates: hosts };
}

const growing: readonly Growing[] = [
  { what: 'devices', most: 64, times: 16, of: plain, answer: evaluated, isBrief: true },
  { what: 'devices behind intel-iommu', most: 64, times: 2, of: translated, answer: evaluated },
  { what: 'mapping runs on iommufd', most: 10_000, times: 1, of: mapped('iommufd'), answer: evaluated },
  { what: 'mapping runs on type1', most: 10_000, times: 1, of: mapped('legacy'), answer: evaluated, isBrief: true },
  { what: 'candidates', most: 1000, times: 2, of: placement, answer: placed, isBrief: true },
];

/** How the cost of a request grows with what may be many in it. */
export async function growths(short: boolean): Promise<Row[]> {
  const rows: Row[] = [];
  for (const each of growing) if (each.isBrief || !short) rows.push(await growth(each, short));
  return rows;
}
