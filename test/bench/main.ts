import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { benches, brief } from './benches.ts';
import type { Row } from './compare.ts';
import { machine, table } from './results.ts';

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

const [option, ...names] = process.argv.slice(2);
/** What CI runs. */
const isShort = option === '--short';
/** Names after `--only` are those of the benches to run. */
const chosen = option === '--only' ? benches.filter(({ name }) => names.includes(name)) : isShort ? brief : benches;

/** The rows of the bench called `name`, in a process in which none ran before: what another taught V8 may not be what is best here. */
async function rowsOf(name: string): Promise<Row[]> {
  const child = fork(fileURLToPath(new URL('alone.js', import.meta.url)), [name, isShort ? 'short' : 'long'], {
    // JSON knows no infinity.
    serialization: 'advanced',
  });
  let rows: Row[] | undefined;
  child.once('message', (sent: Row[]) => (rows = sent));
  const [code] = (await once(child, 'exit')) as [number | null];
  if (rows === undefined || code !== 0) throw new Error(`${name} came to nothing`);
  return rows;
}

const rows: Row[] = [];
for (const { name } of chosen) rows.push(...(await rowsOf(name)));

const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  [Kind in 'dependencies' | 'devDependencies']: Readonly<Record<string, string>>;
};
const versions = ['fastify', '@marcbachmann/cel-js', 'json-rules-engine', 'sorted-btree'].map(
  (name) => `${name} ${{ ...dependencies, ...devDependencies }[name]}`,
);
const command = ['npm run bench', ...(option === undefined ? [] : ['--', option, ...names])].join(' ');
const written = `# What \`${command}\` measured

${machine()} with V8 ${process.versions.v8}; ${versions.join(', ')}.
The ways of one job took turns in one process, which did nothing before; the medians of all rounds count. CPU a request is that of the server's process,
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
