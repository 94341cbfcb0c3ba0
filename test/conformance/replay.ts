import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { Format } from './format.ts';
import { formats } from './formats/index.ts';

/** A file of cases, which are replayed when that is asked for. */
interface Replayable {
  readonly file: string;
  /** The `file` of the format. */
  readonly format: string;
  readonly replay: () => Tally;
}

/** How a file's cases fared. */
interface Tally {
  readonly passed: number;
  /** What differs, by the case's place in the file. */
  readonly failures: readonly string[];
  /** How many cases were skipped, by reason. */
  readonly skipped: ReadonlyMap<string, number>;
}

/** Every file below `directory` whose format is known, plain or gzipped, in order of name. */
export function* replayable(directory: string): Generator<Replayable> {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted();
  for (const file of files) {
    if (!/\.json(?:\.gz)?$/.test(file)) continue;
    const name = basename(file).replace(/\.json(?:\.gz)?$/, '');
    const read = (): unknown => readJson(join(directory, file));
    const format = formats.find((each) => each.file === name) ?? formatOf(read());
    if (format) yield { file, format: format.file, replay: () => tally(format.replay(read())) };
  }
}

const formatOf = (content: unknown): Format | undefined => formats.find(({ matches }) => matches?.(content));

function readJson(path: string): unknown {
  const bytes = readFileSync(path);
  return JSON.parse((path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8'));
}

function tally(results: Iterable<true | string | { readonly skipped: string }>): Tally {
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
