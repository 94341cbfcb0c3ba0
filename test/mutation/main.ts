import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { evaluation } from './survivors/evaluation.ts';
import { rules } from './survivors/rules.ts';
import { simulator } from './survivors/simulator.ts';
import type { Survivors } from './survivors/survivors.ts';

/**
 * `npm run mutation -- PART [FILE...]`: changes one part of src, or some files of it, one thing at a time, runs its tests
 * on each, and writes down what they let live. What is found is kept when a run ends, so that a large part is best done
 * file by file. A process that is paused as it runs is taken for one that never ends.
 *
 * Of stryker.json: without a `tsconfigFile` that is not there, Stryker asks TypeScript 7 for an interface that it no longer
 * has; and with `ignoreStatic` it leaves out what runs as a module is loaded, for which all tests would run each time.
 */

interface Part {
  /** The tests that run for it. Of the properties only those that judge that part: they take long. */
  readonly tests: string;
  readonly survivors: readonly Survivors[];
}

const parts: Readonly<Record<string, Part>> = {
  rules: { tests: '{rules,evaluation}/**/*', survivors: rules },
  evaluation: {
    tests: '{evaluation/**/*,policy/**/*,properties/{completions,placements,remedies}}',
    survivors: evaluation,
  },
  simulator: { tests: '{simulator/**/*,conformance/conformance}', survivors: simulator },
};

interface Place {
  readonly line: number;
  readonly column: number;
}

/** What Stryker writes of a mutant, as far as it is read here. */
interface Mutant {
  readonly mutatorName: string;
  readonly replacement: string;
  readonly status: 'Killed' | 'Timeout' | 'Survived' | 'NoCoverage' | 'Ignored' | 'RuntimeError' | 'CompileError';
  readonly location: { readonly start: Place; readonly end: Place };
}

interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>;
}

/** Characters of a text that are shown. */
const CHANGE_MAX = 120;

const [part = '', ...names] = process.argv.slice(2);
const its = parts[part];
if (its === undefined) throw new Error(`npm run mutation -- ${Object.keys(parts).join('|')} [FILE...]`);

/** Where Stryker keeps what it found, so that it next tries only what has changed. */
const state = `.stryker/${part}.json`;
const mutate = names.length > 0 ? names.map((name) => `src/${part}/${name}`) : [`src/${part}/**/*.ts`];
const { status } = spawnSync(
  'stryker',
  ['run', 'test/mutation/stryker.json', '--incrementalFile', state, '--mutate', mutate.join(',')],
  { stdio: 'inherit', env: { ...process.env, MUTATION_TESTS: its.tests } },
);
if (status !== 0) process.exit(1);

/** What stood at `location`, and what stands there instead, on one line: it stays the same as other lines come and go. */
function changeOf(source: string, { location: { start, end }, mutatorName, replacement }: Mutant): string {
  const lines = source.split('\n').slice(start.line - 1, end.line);
  lines.push((lines.pop() ?? '').slice(0, end.column - 1));
  const [first = '', ...rest] = lines;
  const [was, is] = [[first.slice(start.column - 1), ...rest].join(' '), replacement].map((text) => {
    const flat = text.replaceAll(/\s+/g, ' ').trim();
    return flat.length > CHANGE_MAX ? `${flat.slice(0, CHANGE_MAX - 1)}…` : flat;
  });
  return `${mutatorName}: ${was} → ${is}`;
}

const { files } = JSON.parse(readFileSync(state, 'utf8')) as Report;
const tried = Object.entries(files).flatMap(([file, { source, mutants }]) =>
  mutants.map((mutant) => ({ ...mutant, file, change: changeOf(source, mutant) })),
);
const count = (...statuses: readonly Mutant['status'][]): number =>
  tried.filter((mutant) => statuses.includes(mutant.status)).length;

const reasons = new Map(its.survivors.flatMap(({ why, changes }) => changes.map((change) => [change, why])));
const alive = tried
  .filter(({ status: each }) => each === 'Survived' || each === 'NoCoverage')
  .map((mutant) => ({ ...mutant, key: `${mutant.file.slice('src/'.length)} ${mutant.change}` }))
  .toSorted((a, b) => a.file.localeCompare(b.file) || a.location.start.line - b.location.start.line);
const listed = alive.map(({ file, change, key, location: { start }, status: each }) => {
  const unreached = each === 'NoCoverage' ? 'No test reaches it. ' : '';
  return `- ${file}:${start.line} \`\` ${change} \`\` ${unreached}${reasons.get(key) ?? 'No reason is given.'}`;
});

const killed = count('Killed');
const timedOut = count('Timeout');
const survived = count('Survived');
const uncovered = count('NoCoverage');
const score = (100 * (killed + timedOut)) / (killed + timedOut + survived + uncovered);
/** In a run of all files those that are not there have nothing to change. */
const untried = readdirSync(`src/${part}`, { recursive: true, encoding: 'utf8' }).filter(
  (file) => names.length > 0 && file.endsWith('.ts') && !(`src/${part}/${file}` in files),
);
const { devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
  devDependencies: Readonly<Record<string, string>>;
};
const stryker = `Stryker ${devDependencies['@stryker-mutator/core']}`;
const versions = `${stryker}, vitest ${devDependencies['vitest']}, Node ${process.version}`;
const figures = [tried.length - count('Ignored'), killed, timedOut, survived, uncovered, `${score.toFixed(1)} %`];
const cells = [
  `src/${part}${untried.length > 0 ? `, but for ${untried.length} files` : ''}`,
  ...figures,
  count('Ignored'),
  `\`npm run mutation -- ${part}\``,
  versions,
];

/** What is written of this part, in place of what was, beside what is written of the others. */
const path = 'test/mutation/MUTATION.md';
const [head = '', ...written] = existsSync(path) ? readFileSync(path, 'utf8').split(/^(?=## )/m) : [];
const rows = head
  .split('\n')
  .filter((line) => line.startsWith('| src/') && !new RegExp(`^\\| src/${part}[ ,]`).test(line));
const sections = written.filter((text) => !text.startsWith(`## src/${part}\n`)).map((text) => text.trim());
rows.push(`| ${cells.join(' | ')} |`);
sections.push(
  [
    `## src/${part}`,
    ...(untried.length > 0 ? [`Not tried: ${untried.join(', ')}.`] : []),
    listed.length > 0 ? listed.join('\n') : 'None.',
  ].join('\n\n'),
);

writeFileSync(
  path,
  `# Mutants that the unit and property tests let live

A mutant is the source with one thing changed; a test that fails kills it, and one that never ends counts as killed. The score is the
share of the killed. Static mutants, in what runs once as a module is loaded (the titles, messages and tables of rules), are left out:
each takes a run of its own.

| part | mutants | killed | timed out | survived | not reached | score | static, left out | command | versions |
| ---- | ------- | ------ | --------- | -------- | ----------- | ----- | ---------------- | ------- | -------- |
${rows.toSorted().join('\n')}

${sections.toSorted().join('\n\n')}
`,
);
console.log(rows.at(-1));

const idle = [...reasons.keys()].filter((key) => !alive.some((each) => each.key === key));
if (idle.length > 0) console.log('Reasons for mutants that do not live:', idle);
