import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { formats } from './formats/index.ts';

/** How a file's cases fared. */
export interface Tally {
  readonly file: string;
  /** The `file` of the format. */
  readonly format: string;
  readonly passed: number;
  /** What differs, by the case's place in the file. */
  readonly failures: readonly string[];
  /** How many cases were skipped, by reason. */
  readonly skipped: ReadonlyMap<string, number>;
}

/** Replays every file below `directory` whose format is known, plain or gzipped, in order of name. */
export function* replayDirectory(directory: string): Generator<Tally> {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted();
  for (const file of files) {
    if (!/\.json(?:\.gz)?$/.test(file)) continue;
    const name = basename(file).replace(/\.json(?:\.gz)?$/, '');
    const named = formats.find((each) => each.file === name);
    const content = readJson(join(directory, file));
    const format = named ?? formats.find((each) => each.matches?.(content));
    if (format) yield { file, format: format.file, ...tally(format.replay(content)) };
  }
}

function readJson(path: string): unknown {
  const bytes = readFileSync(path);
  return JSON.parse((path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'));
}

function tally(results: Iterable<true | string | { readonly skipped: string }>): Omit<Tally, 'file' | 'format'> {
  let passed = 0;
  let index = 0;
  const failures: string[] = [];
  const skipped = new Map<string, number>();
  for (const result of results) {
    if (result === true) passed++;
    else if (typeof result === 'string') failures.push(`case ${index}: ${result}`);
    else skipped.set(result.skipped, (skipped.get(result.skipped) ?? 0) + 1);
    index++;
  }
  return { passed, failures, skipped };
}
