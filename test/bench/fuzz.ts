import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { GROWING, sent } from '../fuzz/growing.ts';
import { type Input, inputOf } from '../fuzz/inputs.ts';
import { Judge, Service } from '../fuzz/judge.ts';
import { exponentOf } from './growth.ts';

/** How many inputs, and the first of their seeds: `npm run bench:fuzz -- 1000000 20000`. */
const [count = 1_000_000, first = 0] = process.argv.slice(2).map(Number);

/** Of so many inputs one is sent over HTTP; of so many the shape of the answer is looked at. */
const [HTTP_EACH, SHAPE_EACH] = [10, 8];

/** How many times the median of its kind an input may take. */
const SLOW = 20;

const service = await Service.start();
const judge = new Judge();

/** What is said of an input that is not read for its size or depth. */
const OVER_LIMIT = /more than \d+ (?:deep|tokens|characters)|longer than \d/;

/** What `job` comes to, and the milliseconds of processor time that it takes. */
async function timed<T>(job: () => Promise<T>): Promise<{ readonly value: T; readonly milliseconds: number }> {
  const before = process.cpuUsage();
  const value = await job();
  const { user, system } = process.cpuUsage(before);
  return { value, milliseconds: (user + system) / 1000 };
}

const leastOf = async (rounds: number, job: () => Promise<unknown>): Promise<number> => {
  const costs: number[] = [];
  for (let round = 0; round < rounds; round++) costs.push((await timed(job)).milliseconds);
  return Math.min(...costs);
};

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0;

/**
 * Inputs of one entrance that were answered alike, and are within a factor of two of each other in size. Where the verdict
 * is not known all values of what is missing are tried, which takes many times as long; what is refused over a limit is not
 * read to its end, which takes next to nothing.
 */
interface Kind {
  readonly name: string;
  readonly milliseconds: number[];
  readonly seeds: number[];
}

const isOverHttp = (seed: number): boolean => seed % HTTP_EACH === 0;
const send = (input: Input) => (isOverHttp(input.seed) ? service.ask(input) : service.answer(input));

const kinds = new Map<string, Kind>();
const statuses = new Map<string, Map<number, number>>();
const faults: string[] = [];
const begun = { time: performance.now(), cpu: process.cpuUsage() };
for (let seed = first; seed < first + count; seed++) {
  const input = inputOf(seed);
  const { entrance, bytes } = input;
  let fault: string | null;
  try {
    const { value: answered, milliseconds } = await timed(() => send(input));
    const way = input.isImport ? 'import' : isOverHttp(seed) || input.query !== '' ? 'HTTP' : 'answer';
    const size = 2 ** Math.ceil(Math.log2(bytes.length + 1));
    const unknown = answered.text.includes('"verdict":"unknown"') ? ' unknown' : '';
    const unread = answered.status === 400 && OVER_LIMIT.test(answered.text) ? ' unread' : '';
    const name = `${entrance}, ${way} ${answered.status}${unknown}${unread}, up to ${size} bytes`;
    const kind = kinds.get(name) ?? { name, milliseconds: [], seeds: [] };
    kinds.set(name, kind);
    kind.milliseconds.push(milliseconds);
    kind.seeds.push(seed);
    const counted = statuses.get(entrance) ?? new Map<number, number>();
    statuses.set(entrance, counted.set(answered.status, (counted.get(answered.status) ?? 0) + 1));
    fault = judge.fault(input, answered, seed % SHAPE_EACH === 0);
  } catch (error) {
    fault = `threw ${String(error)}`;
  }
  if (fault !== null) {
    faults.push(`inputOf(${seed}) at ${entrance}: ${fault}`);
    console.log(faults.at(-1));
  }
  if ((seed - first + 1) % 50_000 === 0) console.log(`${seed - first + 1} inputs, ${faults.length} faults`);
}
const seconds = (performance.now() - begun.time) / 1000;
const used = process.cpuUsage(begun.cpu);
const cpuSeconds = (used.user + used.system) / 1e6;

/** Inputs that took too long, and take too long again; of a kind of which there are few nothing is usual. */
const slow: string[] = [];
let again = 0;
for (const { name, milliseconds, seeds } of kinds.values()) {
  if (seeds.length < 100) continue;
  const usual = median(milliseconds);
  for (const [index, each] of milliseconds.entries()) {
    if (each <= SLOW * usual) continue;
    again++;
    const least = await leastOf(3, () => send(inputOf(seeds[index] as number)));
    if (least > SLOW * usual) {
      slow.push(
        `inputOf(${seeds[index]}), ${name}: ${least.toFixed(1)} ms, ${(least / usual).toFixed(0)} times the median`,
      );
    }
  }
}

const SIZES = Array.from({ length: 7 }, (_, index) => 1 << (13 + index));
/**
 * Beside which what is done for every request vanishes; and an exponent that is no more of linear time, in which collecting
 * garbage sets in with size: JSON.parse of lists in lists, fitted so, has 1.4.
 */
const [NOTICED_MS, EXPONENT_MAX] = [20, 1.5];

/** The largest exponent over sizes n, 2n, 4n and 8n, of which the last takes long enough to tell; beyond a limit all is quick. */
function steepest(costs: readonly number[]): number {
  const windows = SIZES.slice(3).flatMap((_, from) => {
    const window = costs.slice(from, from + 4);
    return (window[3] as number) > NOTICED_MS ? [exponentOf(SIZES.slice(from, from + 4), window)] : [];
  });
  return Math.max(0, ...windows);
}

const grown: { what: string; costs: number[]; exponent: number }[] = [];
for (const [what, entrance, text] of GROWING) {
  const inputs = SIZES.map((size) => sent(entrance, text(size)));
  const costs: number[] = [];
  for (const input of inputs) costs.push(await leastOf(3, () => service.answer(input)));
  grown.push({ what: `${what} (${entrance})`, costs, exponent: steepest(costs) });
}
await service.stop();
const steep = grown.filter(({ exponent }) => exponent > EXPONENT_MAX);

const row = (...cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
const listed = (lines: readonly string[]): string =>
  lines.length === 0 ? 'None.' : lines.map((line) => `- ${line}`).join('\n');
const answers = [...statuses]
  .toSorted(([a], [b]) => (a < b ? -1 : 1))
  .flatMap(([entrance, counted]) =>
    [...counted].toSorted(([a], [b]) => a - b).map(([status, times]) => row(entrance, status, times)),
  );
const written = `# What \`npm run bench:fuzz\` found

${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, Node ${process.version}; ${count} inputs, seeds ${first} to ${first + count - 1}, one in ${HTTP_EACH} over HTTP.
${Math.round(count / seconds)} inputs a second, ${Math.round(count / cpuSeconds)} a second of processor time, with making and judging them.

## Answers that are wrong

5xx, no valid problem or answer, a place that is not there, a verdict from an invalid document, anything thrown.

${listed(faults.slice(0, 100))}

## Inputs that take more than ${SLOW} times the median of their kind

A kind: one entrance, one status, sizes within a factor of two. ${again} were over it once; what is listed is so three times.

${listed(slow.slice(0, 100))}

## Answers

${[row('entrance', 'status', 'inputs'), row('---', '---', '---:'), ...answers].join('\n')}

## Growth

Processor time in milliseconds for so much of one thing, the least of three, and the largest exponent that four sizes next to
each other fit, of which the last takes more than ${NOTICED_MS} ms.

${[
  row('much of', ...SIZES.map((size) => `${size >> 10} KiB`), 'exponent'),
  row('---', ...SIZES.map(() => '---:'), '---:'),
  ...grown.map(({ what, costs, exponent }) =>
    row(what, ...costs.map((each) => each.toFixed(1)), exponent === 0 ? '' : exponent.toFixed(2)),
  ),
].join('\n')}

Above ${EXPONENT_MAX}: ${steep.length === 0 ? 'none.' : steep.map(({ what }) => what).join(', ')}
`;
writeFileSync('test/bench/FUZZ.md', written);
console.log(written);
process.exitCode = faults.length + slow.length + steep.length > 0 ? 1 : 0;
