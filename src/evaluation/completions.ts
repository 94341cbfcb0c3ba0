import { type Pointer, withValueAt } from '../descriptor/pointer.ts';
import { questionAt } from '../descriptor/questions.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { Finding } from '../rules/finding.ts';
import type { Trials } from './trials.ts';
import { type KnownVerdict, settledVerdict, verdicts } from './verdict.ts';

/** The verdicts that `descriptor` can have, of which `findings` are known, best first. */
export function verdictsOf(descriptor: Descriptor, findings: readonly Finding[], trials: Trials): KnownVerdict[] {
  const settled = settledVerdict(findings);
  return settled ? [settled] : possibleVerdicts(descriptor, findings, trials);
}

/**
 * The verdict that `descriptor` has whatever is still missing; `null` where that matters, or was too much to try. Two
 * guesses, all for the best and all for the worst, tell most cases apart without a search.
 */
export function settlesAt(descriptor: Descriptor, findings: readonly Finding[], trials: Trials): KnownVerdict | null {
  const settled = settledVerdict(findings);
  if (settled) return settled;
  const [best, worst] = [0, -1].map((at) => guess(descriptor, findings, at, trials));
  if (best && worst && best !== worst) return null;
  const possible = possibleVerdicts(descriptor, findings, trials);
  return possible.length === 1 ? (possible[0] ?? null) : null;
}

/** The verdict if every missing fact has the first (0) or the last (-1) of its values, best first. */
function guess(descriptor: Descriptor, findings: readonly Finding[], at: number, trials: Trials): KnownVerdict | null {
  let [completed, found] = [descriptor, findings];
  let settled = settledVerdict(found);
  while (settled === null) {
    for (const pointer of new Set(found.flatMap(({ lacks }) => lacks))) {
      completed = withValueAt(completed, pointer, questionAt(pointer).values.at(at));
    }
    const next = trials.judge(completed);
    if (!next) return null;
    found = next;
    settled = settledVerdict(found);
  }
  return settled;
}

/**
 * The verdicts that `descriptor` can have once what it leaves open is known, best first; one if it does not matter.
 *
 * A fact that decides nothing is never varied: the search takes the first fact that an undecided rule lacks, judges the
 * descriptor with each of its values, and goes on from there. It ends early once every verdict was met; past what it may
 * spend it calls every verdict possible, so that what it rules out is ruled out.
 */
function possibleVerdicts(descriptor: Descriptor, findings: readonly Finding[], trials: Trials): KnownVerdict[] {
  const met = new Set<KnownVerdict>();
  const search = (completed: Descriptor, found: readonly Finding[]): void => {
    const settled = settledVerdict(found);
    if (settled) met.add(settled);
    if (settled || met.size === verdicts.length) return;
    const pointer = firstLack(found);
    for (const value of questionAt(pointer).values) {
      const next = withValueAt(completed, pointer, value);
      const then = trials.judge(next);
      if (!then) {
        for (const verdict of verdicts) met.add(verdict);
        return;
      }
      search(next, then);
    }
  };
  search(descriptor, findings);
  return verdicts.filter((verdict) => met.has(verdict));
}

/** The first fact that an undecided finding lacks: in QEMU's order, so that refusals come first. */
function firstLack(findings: readonly Finding[]): Pointer {
  const lack = findings.find(({ outcome }) => outcome === 'unknown')?.lacks[0];
  if (lack === undefined) throw new Error('an undecided verdict lacks nothing');
  return lack;
}
