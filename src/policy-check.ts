import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parsePolicy } from './http/policy-file.ts';
import { namesText } from './policy/vocabulary.ts';
import { runSuite } from './policy-suite/run.ts';

/** `npm run policy`: looks at a policy file, and runs its tests, before they count. */

const USAGE = `usage: npm run policy -- check FILE
       npm run policy -- test DIRECTORY | FILE...
       npm run policy -- names

check looks whether the policy in FILE is good. test runs the tests in FILE, or in all files of DIRECTORY that end in .yaml.
names lists what the expressions of a policy may say.
Exits with 0 if all is well, with 1 if a test fails, and with 2 if a file is wrong.
`;

process.exitCode = run(process.argv.slice(2));

function run([command, ...paths]: readonly string[]): number {
  const [path] = paths;
  if (command === 'names') {
    console.log(namesText());
    return 0;
  }
  if (path === undefined || (command !== 'check' && command !== 'test')) {
    console.error(USAGE);
    return 2;
  }
  try {
    return command === 'check' ? checked(path) : tested(paths.flatMap(suitesIn));
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
}

function checked(path: string): number {
  try {
    const policy = parsePolicy(readFileSync(path, 'utf8'));
    const { limits = [], rules = [], accept = [] } = policy.content;
    const { revision } = policy.at(Date.now());
    console.log(
      `${path}: good, revision ${revision}: ${limits.length} limits, ${rules.length} rules, ${accept.length} acceptances`,
    );
    return 0;
  } catch (error) {
    throw new Error(located(path, error), { cause: error });
  }
}

/** What is wrong with the file at `path`, a line each: `path:line: words`. */
function located(path: string, error: unknown): string {
  return (error as Error).message
    .split(/; (?=line \d)/)
    .map((words) => words.replace(/^line (\d+): /, `${path}:$1: `))
    .map((words) => (words.startsWith(path) ? words : `${path}: ${words}`))
    .join('\n');
}

function suitesIn(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path).filter((name) => name.endsWith('.yaml'));
  if (names.length === 0) throw new Error(`${path}: there is no file of tests in it`);
  return names.toSorted().map((name) => join(path, name));
}

function tested(paths: readonly string[]): number {
  let [passed, failed] = [0, 0];
  for (const path of paths) {
    let results: ReturnType<typeof runSuite>;
    try {
      results = runSuite(path, Date.now());
    } catch (error) {
      throw new Error(located(path, error), { cause: error });
    }
    for (const { name, line, differences } of results) {
      if (differences.length === 0) passed++;
      else failed++;
      console.log(`${differences.length === 0 ? 'ok  ' : 'FAIL'} ${path}:${line}: ${name}`);
      for (const difference of differences) console.log(`       ${difference}`);
    }
  }
  console.log(`${passed} passed, ${failed} failed`);
  return failed > 0 ? 1 : 0;
}
