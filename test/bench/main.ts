import { readFileSync, writeFileSync } from 'node:fs';
import { argvLines, jsonLines, overHttp, unlikeLines, xmlLines } from './batch.ts';
import { besideCerbos } from './cerbos.ts';
import type { Row } from './compare.ts';
import { engines } from './engines.ts';
import { evaluations, translatedEvaluations } from './evaluations.ts';
import { growths } from './growth.ts';
import { latencies } from './latency.ts';
import { recording } from './metrics.ts';
import { fiftyRules, reloads } from './policy.ts';
import { machine, table } from './results.ts';
import { rulesOnEightDevices } from './rules.ts';
import { compressedRuns, decomposition, emptyDomain, memory, trackedUnmap } from './simulator.ts';
import { resident, startUp } from './start.ts';
import { batchBesideSingle, twoProcesses } from './throughput.ts';

/** So many milliseconds as it reads best. */
function time(milliseconds: number): string {
  if (milliseconds >= 1) return `${milliseconds.toPrecision(3)} ms`;
  return milliseconds >= 0.001
    ? `${(milliseconds * 1e3).toPrecision(3)} µs`
    : `${(milliseconds * 1e6).toPrecision(3)} ns`;
}

/** Cells of a table, one row a timing; what is held against the goal stands in the first. */
function cells({ job, timings, each, ratios, goal, excess }: Row): string[][] {
  const verdict = [ratios.join('; '), goal, excess === null ? '' : excess <= 1 ? 'yes' : 'NO'];
  if (timings.length === 0) return [[job, '', '', '', ...verdict]];
  return timings.map(({ name, median, least, most }, index) => [
    index === 0 ? job : '',
    name,
    `${time(median / each.of)}${each.unit === '' ? '' : ` a ${each.unit}`}`,
    `${time(least / each.of)}–${time(most / each.of)}`,
    ...(index === 0 ? verdict : ['', '', '']),
  ]);
}

const HEAD = ['job', 'way', 'median', 'least–most', 'ratio', 'goal', 'met'];

type Bench = (short: boolean) => Row | Row[] | Promise<Row | Row[]>;

/** With `--short`, which CI runs: what takes a minute in all. */
const brief: readonly Bench[] = [evaluations, engines, growths];

const thorough: readonly Bench[] = [
  evaluations,
  translatedEvaluations,
  besideCerbos,
  engines,
  batchBesideSingle,
  twoProcesses,
  latencies,
  growths,
  startUp,
  resident,
  rulesOnEightDevices,
  recording,
  fiftyRules,
  reloads,
  jsonLines,
  unlikeLines,
  xmlLines,
  argvLines,
  overHttp,
  decomposition,
  trackedUnmap,
  compressedRuns,
  memory,
  emptyDomain,
];

const [option, ...names] = process.argv.slice(2);
const isShort = option === '--short';
/** Names after `--only` are those of the benches to run. */
const chosen = option === '--only' ? thorough.filter(({ name }) => names.includes(name)) : null;
const rows: Row[] = [];
for (const bench of chosen ?? (isShort ? brief : thorough)) rows.push(...[await bench(isShort)].flat());

const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  [Kind in 'dependencies' | 'devDependencies']: Readonly<Record<string, string>>;
};
const versions = ['fastify', '@marcbachmann/cel-js', 'json-rules-engine', 'sorted-btree'].map(
  (name) => `${name} ${{ ...dependencies, ...devDependencies }[name]}`,
);
const command = ['npm run bench', ...(option === undefined ? [] : ['--', option, ...names])].join(' ');
const written = `# What \`${command}\` measured

${machine()} with V8 ${process.versions.v8}; ${versions.join(', ')}.
The ways of one job took turns in one run; the medians of all rounds count. CPU a request is that of the server's process,
all threads, by Linux; the client, on the same machine, is another process.

${table(HEAD, rows.flatMap(cells))}
`;
console.log(written);
if (!isShort) writeFileSync('test/bench/RESULTS.md', written);

/** A ratio that is so many times past its goal is no noise. */
const FAR = 10;

const far = rows.filter(({ excess }) => excess !== null && excess > FAR);
if (isShort && far.length > 0) {
  console.error(`more than ${FAR} times past the goal: ${far.map(({ job }) => job).join('; ')}`);
  process.exitCode = 1;
}
