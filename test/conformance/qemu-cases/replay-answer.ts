import type { Descriptor, HostDescriptor } from '../../../src/descriptor/schema.ts';
import type { Decision } from '../../../src/evaluation/decision.ts';
import { evaluate } from '../../../src/evaluation/evaluate.ts';
import { ImportError } from '../../../src/importers/import-error.ts';
import { importQemuArgv } from '../../../src/importers/qemu-argv.ts';
import { firstDifference } from '../first-difference.ts';
import { type Answer, isVfioWarning } from './answer.ts';
import { notOfMigrate, notOfStart, reasonIn } from './out-of-scope.ts';

type Verdict = true | string | { readonly skipped: string };

/** What is known of the host that an answer is from. */
export type HostOf = (vm: Descriptor['vm']) => HostDescriptor;

/**
 * Reads an answer's command line, adds what is known of its host, and holds the decision against what QEMU said: a verdict
 * on whether the VM starts and what `query-migrate` says, and one on what `migrate` says where that was tried.
 */
export function* replayAnswer(answer: Answer, hostOf: HostOf): Generator<Verdict> {
  const { id, migrate } = answer;
  const start = reasonIn(notOfStart, answer);
  if (start !== undefined) {
    yield { skipped: start };
    return;
  }
  const decision = decide(answer, hostOf);
  if (decision === 'refused') {
    yield answer.started
      ? `${id}: the command line is refused`
      : { skipped: 'a command line that QEMU refuses as such, and so does its importer' };
    return;
  }
  const said = saidBy(decision);
  yield inCase(id, compareStart(said, answer));
  if (migrate === undefined) return;
  const reason = reasonIn(notOfMigrate, answer);
  if (reason !== undefined) yield { skipped: reason };
  else yield inCase(id, firstDifference('migrate', said.migrate, migrate.map(withoutDigits)));
}

const inCase = (id: string, verdict: true | string): true | string => (verdict === true ? true : `${id}: ${verdict}`);

function decide({ argv, qemu, migration }: Answer, hostOf: HostOf): Decision | 'refused' {
  try {
    const { vm } = importQemuArgv(JSON.stringify(argv)).descriptor;
    return evaluate({ vm: notRunning(vm), source: { ...hostOf(vm), qemu }, ...(migration && { migration }) });
  } catch (error) {
    if (error instanceof ImportError) return 'refused';
    throw error;
  }
}

/** A guest that never ran, for `-S`, has not turned its vIOMMU on and was not suspended. */
const notRunning = (vm: Descriptor['vm']): Descriptor['vm'] => ({
  ...vm,
  vfio: vm.vfio.map((device) => ({ ...device, guestDomain: 'identity' })),
  runtime: { suspended: false },
});

interface Said {
  readonly unknown: readonly string[];
  readonly errors: readonly string[];
  readonly warnings: readonly string[];
  readonly queryMigrate: readonly string[];
  readonly migrate: readonly string[];
}

/** What a human would read, by where. */
function saidBy({ findings }: Decision): Said {
  const messages = (reporter: 'start' | 'query-migrate' | 'migrate', key: 'start' | 'queryMigrate' | 'migrate') =>
    findings
      .filter(({ outcome, reportedBy }) => outcome === 'fires' && reportedBy.includes(reporter))
      .map((finding) => ({ effect: finding.effect, message: withoutDigits(finding.messages[key] ?? finding.rule) }));
  const started = messages('start', 'start');
  const textsOf = (list: typeof started): string[] => list.map(({ message }) => message);
  return {
    unknown: findings
      .filter(({ outcome, effect }) => outcome === 'unknown' && (effect === 'start-failure' || effect === 'blocker'))
      .map(({ rule }) => rule),
    errors: textsOf(started.filter(({ effect }) => effect !== 'warning')),
    warnings: textsOf(started.filter(({ effect, message }) => effect === 'warning' && isVfioWarning(message))),
    queryMigrate: textsOf(messages('query-migrate', 'queryMigrate')),
    migrate: textsOf(messages('migrate', 'migrate')),
  };
}

/** QEMU names its block nodes at random. */
const withoutDigits = (line: string): string => line.replaceAll(/#block\d+/g, '#block');

function compareStart(said: Said, { started, errors, warnings, queryMigrate }: Answer): true | string {
  if (said.unknown.length > 0) return `left open: ${said.unknown.join(', ')}`;
  for (const [what, actual, expected] of [
    ['start', said.errors, started ? [] : errors],
    ['warning', said.warnings, warnings],
    ['query-migrate', said.queryMigrate, queryMigrate.map(withoutDigits)],
  ] as const) {
    const same = firstDifference(what, actual, expected);
    if (same !== true) return same;
  }
  return true;
}
