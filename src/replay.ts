import { createReadStream, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { comparisonText } from './decision-log/comparison-text.ts';
import { linesIn } from './http/lines.ts';
import { type Site, SILENT } from './http/policies.ts';
import { parsePolicy } from './http/policy-file.ts';
import { Problem } from './http/problems.ts';
import { Replaying } from './http/replaying.ts';
import { namedSchemas, ref } from './http/schemas.ts';
import { validators } from './http/validation.ts';

/** `npm run replay`: decides what a decision log holds again, as it would be now. */

const USAGE = `usage: npm run replay -- [--policy FILE] [--changes] LOG

Decides the decisions in LOG again, a decision log or - for standard input, and prints what would change. Exits with 0 if
all of them could be decided, with 1 if some could not, and with 2 if there is nothing to read.

  --policy FILE  the site policy to decide by; without it there is none
  --changes      print each decision that changes, too, as a line of JSON
`;

/** Bytes of a line, which ends a file that is no log before memory does. */
const LINE_MAX = 1 << 28;

process.exitCode = await replay(process.argv.slice(2)).catch((error: unknown) => {
  console.error((error as Error).message);
  return 2;
});

async function replay(args: string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    options: { policy: { type: 'string' }, changes: { type: 'boolean' } },
    allowPositionals: true,
  });
  const [path, ...others] = positionals;
  if (path === undefined || others.length > 0) throw new Error(USAGE);
  const compile = validators(namedSchemas());
  const shapes = {
    isLine: compile({ schema: ref('LoggedDecision') }),
    isDescriptor: compile({ schema: ref('Descriptor') }),
  };
  const replaying = new Replaying(shapes, siteIn(values.policy));
  const input = path === '-' ? process.stdin : createReadStream(path, { highWaterMark: 1 << 20 });
  for await (const lines of linesIn(input, LINE_MAX)) {
    for (const line of lines) {
      try {
        const changed = replaying.add(line);
        if (changed && values.changes) console.log(JSON.stringify(changed));
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        console.error(`line ${line.number}: ${error.message}`);
      }
    }
  }
  const totals = replaying.totals(true);
  process.stdout.write(comparisonText(totals));
  return totals.errors > 0 ? 1 : 0;
}

/** What the policy file at `path` says now. */
function siteIn(path: string | undefined): Site {
  if (path === undefined) return SILENT;
  const policy = parsePolicy(readFileSync(path, 'utf8'));
  return { policy: policy.at(Date.now()), defaults: policy.content.defaults ?? {} };
}
