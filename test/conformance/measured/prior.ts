import { larger, type MappingRun, smaller } from 'migration-preflight/simulator';
import { type Case, parseSize, rangeOf, SIZE } from './case.ts';

const PAGE = 4096n;

/** What a scenario says was mapped before its call. */
export type Prior =
  /** `example`: the words leave open how large or where, but not what the call answers; these mappings fit them. */
  | { readonly mappings: readonly MappingRun[]; readonly example?: boolean }
  /** It says nothing, or speaks of what is known to be there. */
  | 'as-left'
  /** It speaks of mappings without saying which. */
  | 'untold'
  /** It places the range inside an area, of which nothing says where it was written. */
  | 'unplaced';

interface Range {
  readonly iova: bigint;
  readonly size: bigint;
}

type Reading = readonly [
  words: RegExp,
  mappings: (said: string[], range: Range) => readonly MappingRun[],
  example?: 'example',
];

const one = (iova: bigint, size: bigint, count = 1n): MappingRun => ({ iova, size, count });
const cutAtEnd = ({ iova, size }: Range): MappingRun => one(iova + size - PAGE, 2n * PAGE);
const cutAtStart = ({ iova }: Range): MappingRun => one(iova - PAGE, 2n * PAGE);

function strided(range: Range, count: bigint, size: bigint, stride: bigint): MappingRun[] {
  if (stride === size) return [one(range.iova, size, count)];
  return Array.from({ length: Number(count) }, (_, i) => one(range.iova + BigInt(i) * stride, size));
}

/** How scenarios word what was mapped. One whose place is not said starts with the range, where it may as well lie. */
const readings: readonly Reading[] = [
  [/no mapping|nothing (?:is )?mapped|nothing left|without any mapping/, () => []],
  [
    RegExp(`(\\d+) (?:adjacent )?(${SIZE}) (?:mappings|areas)(?: at (${SIZE}) stride)?`),
    ([count, size, stride], range) =>
      strided(range, BigInt(count as string), parseSize(size as string), parseSize(stride ?? (size as string))),
  ],
  [
    RegExp(`(\\d+) mappings of (${SIZE})`),
    ([count, size], range) => [one(range.iova, parseSize(size as string), BigInt(count as string))],
  ],
  [
    /(\d+) adjacent mappings, range bisects none but covers (\d+)/,
    ([count, covered], range) => [one(range.iova, range.size / BigInt(covered as string), BigInt(count as string))],
  ],
  [
    /mapping at page (\d+)\.\.(\d+)/,
    ([first, last], { iova }) => {
      const start = BigInt(first as string);
      return [one(iova + start * PAGE, (BigInt(last as string) - start + 1n) * PAGE)];
    },
  ],
  [
    RegExp(`two (${SIZE}) mappings sharing a bitmap word`),
    ([size], { iova }) => strided({ iova, size: 0n }, 2n, parseSize(size as string), 2n * parseSize(size as string)),
    'example',
  ],
  [/two adjacent (?:mappings in one call|areas)/, (_, { iova, size }) => [one(iova, size / 2n, 2n)]],
  [
    RegExp(`two areas with a hole \\((${SIZE})\\.\\.(${SIZE})\\)`),
    ([from, to], { iova, size }) => {
      const end = parseSize(to as string);
      return [one(iova, parseSize(from as string)), one(iova + end, size - end)];
    },
  ],
  [/bisect second of two/, (_, range) => [one(range.iova, PAGE), cutAtEnd(range)], 'example'],
  [
    RegExp(
      `one (?:pinned )?mapping (?:of )?(${SIZE})|(?<!removing .*)(?:mapping of (${SIZE})|\\b(${SIZE}) mapping\\b)`,
    ),
    ([a, b, c], { iova }) => [one(iova, parseSize((a ?? b ?? c) as string))],
  ],
  [
    /pages? dirtied|4K dirty page|dirty page present|one DMA write|^same with/,
    (_, { iova, size }) => [one(iova, size)],
  ],
  [/READ-only mapping/, (_, { iova, size }) => [one(iova, size)]],
  [/mapping present/, (_, { iova, size }) => [one(iova, size)], 'example'],
  [/tail cut|bisect tail|ends inside/, (_, range) => [cutAtEnd(range)], 'example'],
  [/head cut|starts inside/, (_, range) => [cutAtStart(range)], 'example'],
  [/bisect: middle|strictly inside/, (_, { iova, size }) => [one(iova - PAGE, size + 2n * PAGE)], 'example'],
];

/** Reads what the scenario of a case says was mapped before its call. */
export function priorMappings({ scenario, inputs, op }: Case): Prior {
  const range = rangeOf(inputs);
  if (inputs.dirty_iova !== undefined) return { mappings: [around(range, BigInt(inputs.dirty_iova))] };
  if (op === 'IOMMU_HWPT_GET_DIRTY_BITMAP' && /inside an area/.test(scenario)) return 'unplaced';
  for (const [words, mappings, example] of readings) {
    const said = words.exec(scenario);
    if (said) return { mappings: mappings(said.slice(1), range), ...(example && { example: true }) };
  }
  const indefinite =
    /\b(?:mappings?|areas?)\b/.test(scenario) && !/(?:first|second|last) (?:mapping|area)/.test(scenario);
  return indefinite && !/hole filled/.test(scenario) ? 'untold' : 'as-left';
}

/** One area that holds both a range and the page written, in whole large IOPTEs of 1 MiB. */
function around({ iova, size }: Range, written: bigint): MappingRun {
  const mask = (1n << 20n) - 1n;
  const first = smaller(iova, written) & ~mask;
  const last = (larger(iova + size, written + PAGE) - 1n) | mask;
  return one(first, last - first + 1n);
}

/** Whether a case asks what the one before it left, rather than starting afresh. */
export const isFollowUp = (scenario: string): boolean =>
  /^(?:again|check |after (?!STOP)|after: |plain unmap|real unmap|remaining )|\b(?:twice|remap)$/.test(scenario);

/** Whether tracking is off at a call that needs it. What a scenario does not name is in order. */
export const trackingIsOff = (scenario: string): boolean =>
  /tracking (?:not|cannot|refused)|not (?:enabled|started)|after STOP/.test(scenario);
