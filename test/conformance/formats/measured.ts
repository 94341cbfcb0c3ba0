import { errors, type KernelAbilities, type MappingRun } from 'migration-preflight/simulator';
import type { Format } from '../format.ts';
import type { Bench } from '../measured/bench.ts';
import { type Answer, type Case, rangeOf, reasons } from '../measured/case.ts';
import { iommufdBench } from '../measured/iommufd.ts';
import { isFollowUp, type Prior, priorMappings } from '../measured/prior.ts';
import { type1Bench } from '../measured/type1.ts';

/** Timing is good for ratios only, and info is what the set-up was: neither holds a model to anything. */
const HELD_TO = new Set(['semantic', 'limit', 'memory']);

/** Consecutive cases on one container. */
interface Series {
  /** `undefined` where the kernel or the kind of container is not modelled. */
  readonly bench: Bench | undefined;
  /**
   * What is known of the container's mappings: recorded calls made them, or scenarios state them; or calls that the
   * file leaves out may have changed them.
   */
  trust: 'recorded' | 'stated' | 'unknown';
  /** Whether the case before was replayed. */
  replayed: boolean;
}

/**
 * What real kernels answered to real ioctls. State carries over between consecutive cases of one `id` prefix, but the
 * file leaves out the calls that set a case up. So a case is replayed on what the calls before it left, on the mappings
 * that its scenario states, or on those that the calls after it ask for; and where none of that is told, only if its
 * answer is the same whatever is mapped. What a scenario does not name is taken to be in order: tracking is on where a
 * bitmap is asked for, and nothing is in the way of a new mapping.
 */
export const measured: Format = {
  file: 'measured',
  *replay(content) {
    const { cases } = content as { cases: Case[] };
    let series: Series | undefined;
    for (const [index, c] of cases.entries()) {
      if (series === undefined || seriesOf(c) !== seriesOf(cases[index - 1])) series = begin(c);
      const verdict = HELD_TO.has(c.category) ? replayCase(series, c, followUps(cases, index)) : passOver(series, c);
      series.replayed = typeof verdict !== 'object';
      yield verdict;
    }
  },
};

type Verdict = true | string | { readonly skipped: string };

const seriesOf = (c: Case | undefined): string => `${c?.id.replace(/-\d+$/, '')} ${c?.api} ${c?.env}`;

function begin(c: Case): Series {
  const kernel = abilitiesOf(c.kernel);
  const iommufd = c.api === 'iommufd' || c.api === 'vfio-compat';
  const bench = kernel && (iommufd ? iommufdBench(kernel, c) : type1Bench(kernel, c));
  return { bench, trust: 'recorded', replayed: false };
}

/** What the kernels of the file can do. Somewhere between 6.12 and 7.1 they began to tell a range that wraps apart. */
function abilitiesOf(kernel: string): KernelAbilities | undefined {
  const [major = 0, minor = 0] = kernel.split('.').map(Number);
  const release = major * 1000 + minor;
  if (release > 6012 && release < 7001) return undefined;
  const old = release <= 6012;
  return {
    wrapErrno: old ? 'EINVAL' : 'EOVERFLOW',
    lastPage: !old,
    dirtyPages: release >= 5008,
    unmapAll: release >= 5012,
    updateVaddr: release < 5012 ? 'absent' : release < 6001 ? 'any' : 'iommu-only',
    hwptDirtyTracking: release >= 6007,
  };
}

function passOver(series: Series, c: Case): Verdict {
  series.bench?.learn(c);
  if (c.category === 'timing') series.trust = 'unknown';
  return { skipped: `category ${c.category}` };
}

/** The cases after `index` that ask what it left. */
function followUps(cases: readonly Case[], index: number): readonly Case[] {
  const after = cases.slice(index + 1);
  const end = after.findIndex((c) => !isFollowUp(c.scenario) || seriesOf(c) !== seriesOf(cases[index]));
  return end < 0 ? after : after.slice(0, end);
}

function replayCase(series: Series, c: Case, after: readonly Case[]): Verdict {
  const { bench } = series;
  if (bench === undefined) return { skipped: abilitiesOf(c.kernel) === undefined ? reasons.kernel : reasons.call };
  const state = setTheStage(series, bench, c, namedBy(after));
  if (state === 'untold') return { skipped: reasons.prior };

  bench.prepare(c);
  const answer = bench.call(c);
  if (typeof answer === 'string') {
    if (isMap(c) || c.op.includes('UNMAP')) series.trust = 'unknown';
    return { skipped: answer };
  }
  if (state === 'blind' && !answer.settled) return { skipped: reasons.prior };
  if (state === 'blind' && isMap(c) && answer.changed) series.trust = 'recorded';
  else if (state === 'example' || (series.trust === 'stated' && answer.changed && !isMap(c))) series.trust = 'unknown';
  return compare(c, answer);
}

const isMap = ({ op }: Case): boolean => /_MAP_DMA$|_IOAS_MAP/.test(op);

/**
 * Brings the container into the state that a case is made in: `known`; an `example` that fits what the scenario says;
 * empty for a `blind` try; or not at all, where the scenario is known to leave open what matters.
 */
function setTheStage(
  series: Series,
  bench: Bench,
  c: Case,
  named: readonly MappingRun[],
): 'known' | 'example' | 'blind' | 'untold' {
  if (isFollowUp(c.scenario) && series.replayed) return 'known';
  // The scenario of a map call says how that call stands to what is mapped, and STOP does not look at it.
  const prior: Prior = isMap(c) || c.op.endsWith('STOP') ? 'as-left' : priorMappings(c);
  if (prior === 'unplaced') return 'untold';

  let mappings: readonly MappingRun[] | undefined;
  if (typeof prior === 'object') {
    mappings = alike(prior.mappings, named) ? named : prior.mappings;
    const restarted = series.trust === 'stated' && c.op.endsWith('START');
    if (series.trust !== 'unknown' && !restarted && agrees(bench, mappings, c))
      return prior.example ? 'example' : 'known';
  } else {
    if (series.trust === 'recorded') return 'known';
    if (named.length > 0) mappings = named;
    else if (prior === 'as-left' && series.trust === 'stated') return 'known';
  }
  bench.reset(c);
  series.trust = mappings ? 'stated' : 'unknown';
  const base = c.inputs.iova === undefined ? bench.base : 0n;
  if (!mappings?.every((run) => bench.map({ ...run, iova: run.iova + base }))) return mappings ? 'untold' : 'blind';
  return typeof prior === 'object' && prior.example ? 'example' : 'known';
}

/** Mappings that plain unmaps name: each of them one that the case before was made with. */
function namedBy(cases: readonly Case[]): MappingRun[] {
  const named: MappingRun[] = [];
  for (const { op, inputs } of cases) {
    const { iova, size } = rangeOf(inputs);
    const plain = /(?:UNMAP_DMA|IOAS_UNMAP)$/.test(op) && (inputs.flags ?? 0) === 0;
    if (plain && size > 0n && !named.some((run) => run.iova === iova)) named.push({ iova, size, count: 1n });
  }
  return named;
}

/** Whether what is mapped is what a scenario states. That nothing is mapped, it says of its range alone. */
function agrees(bench: Bench, stated: readonly MappingRun[], c: Case): boolean {
  if (stated.length > 0) return alike(bench.held(), stated);
  const { iova, size } = rangeOf(c.inputs);
  return size > 0n && bench.held().overlapping(iova, iova + size - 1n).length === 0;
}

/** Whether both are as many mappings of the same sizes. */
const alike = (a: Iterable<MappingRun>, b: Iterable<MappingRun>): boolean => sizes(a) === sizes(b);

function sizes(runs: Iterable<MappingRun>): string {
  const counts = new Map<bigint, bigint>();
  for (const { size, count } of runs) counts.set(size, (counts.get(size) ?? 0n) + count);
  return [...counts]
    .map(([size, count]) => `${count} of ${size}`)
    .toSorted()
    .join();
}

/** `true`, or what differs. */
function compare(c: Case, answer: Answer): true | string {
  const errno = answer.errno === null ? 0 : errors[answer.errno].number;
  if (errno !== c.result_errno) return `${c.id}: errno ${errno}, not ${c.result_errno}`;
  const size = c.bytes_unmapped ?? c.size_field_after;
  if (size !== undefined && answer.size !== undefined && Number(answer.size) !== size) {
    return `${c.id}: size ${answer.size}, not ${size}`;
  }
  for (const [name, value] of Object.entries({ ...answer.bits, ...answer.counts })) {
    const expected = c[name as keyof Case];
    if (typeof expected === 'number' && Number(value) !== expected) return `${c.id}: ${name} ${value}, not ${expected}`;
  }
  const taken = (c.vmallocused_delta_kib ?? 0) + (c.sunreclaim_delta_kib ?? 0);
  const [least, most] = answer.memory ?? [taken, taken];
  return taken >= least && taken <= most ? true : `${c.id}: takes ${least} to ${most} KiB, not ${taken}`;
}
