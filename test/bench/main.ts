import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { argvLines, jsonLines, overHttp, unlikeLines, xmlLines } from './batch.ts';
import { recording } from './metrics.ts';
import { rulesOnEightDevices } from './rules.ts';
import { compressedRuns, decomposition, emptyDomain, memory, type Row, trackedUnmap } from './simulator.ts';

/** Cells of a table, one row a timing; what is held against the goal stands in the first. */
function cells({ job, timings, each, ratios, goal, met }: Row): string[][] {
  const nanoseconds = (milliseconds: number): string => ((milliseconds * 1e6) / each.of).toFixed(0);
  const verdict = [ratios.join('; '), goal, goal === '' ? '' : met ? 'yes' : 'NO'];
  if (timings.length === 0) return [[job, '', '', '', ...verdict]];
  return timings.map(({ name, median, least, most }, index) => [
    index === 0 ? job : '',
    name,
    `${nanoseconds(median)} ${each.unit}`,
    `${nanoseconds(least)}–${nanoseconds(most)}`,
    ...(index === 0 ? verdict : ['', '', '']),
  ]);
}

const HEAD = ['job', 'way', 'median', 'least–most', 'ratio', 'goal', 'met'];

function table(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.flatMap(cells)];
  const widths = HEAD.map((_, column) => Math.max(3, ...lines.map((line) => (line[column] as string).length)));
  const text = lines.map(
    (line) => `| ${line.map((cell, column) => cell.padEnd(widths[column] as number)).join(' | ')} |`,
  );
  return [text[0], `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...text.slice(1)].join('\n');
}

const benches: readonly (() => Row | Promise<Row>)[] = [
  rulesOnEightDevices,
  recording,
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
const rows: Row[] = [];
for (const bench of benches) rows.push(await bench());

const written = `# What \`npm run bench\` measured

${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, Node ${process.version}. The ways of one job took turns in one run; the medians of all rounds count.

${table(rows)}
`;
writeFileSync('test/bench/RESULTS.md', written);
console.log(written);
