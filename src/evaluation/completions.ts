import { type Pointer, withValueAt } from '../descriptor/pointer.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { type Finding, isUndecided } from '../rules/finding.ts';
import type { Trials } from './trials.ts';
import { attainableVerdicts, type KnownVerdict, settledVerdict, verdicts } from './verdict.ts';

/** The verdicts that `descriptor` can have, of which `findings` are known, best first. */
export function verdictsOf(descriptor: Descriptor, findings: readonly Finding[], trials: Trials): KnownVerdict[] {
  const settled = settledVerdict(findings);
  return settled ? [settled] : possibleVerdicts(descriptor, findings, trials, verdicts.length);
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
  const [only, other] = possibleVerdicts(descriptor, findings, trials, 2);
  return other ? null : (only ?? null);
}

/** The verdict if every missing fact has the first (0) or the last (-1) of its values, best first. */
function guess(descriptor: Descriptor, findings: readonly Finding[], at: number, trials: Trials): KnownVerdict | null {
  let [completed, found] = [descriptor, findings];
  let settled = settledVerdict(found);
  while (settled === null) {
    for (const pointer of new Set(found.filter(isUndecided).flatMap(({ lacks }) => lacks))) {
      completed = withValueAt(completed, pointer, trials.valuesAt(pointer).at(at));
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
 * descriptor with each of its values, and goes on from there, unless no verdict can come of it that was not met before.
 * Past what it may spend it calls possible what cannot be ruled out. It ends once it has met `enough` of them.
 */
function possibleVerdicts(
  descriptor: Descriptor,
  findings: readonly Finding[],
  trials: Trials,
  enough: number,
): KnownVerdict[] {
  const met = new Set<KnownVerdict>();
  const search = (completed: Descriptor, found: readonly Finding[]): void => {
    const settled = settledVerdict(found);
    if (settled) {
      met.add(settled);
      return;
    }
    const attainable = attainableVerdicts(found);
    const pointer = firstLack(found);
    for (const value of trials.valuesAt(pointer)) {
      if (met.size >= enough || isIn(attainable, met)) return;
      const next = withValueAt(completed, pointer, value);
      const then = trials.judge(next);
      if (then) search(next, then);
      else for (const verdict of attainable) met.add(verdict);
    }
  };
  search(descriptor, findings);
  return verdicts.filter((verdict) => met.has(verdict));
}

/** The first fact that an undecided finding lacks: in QEMU's order, so that refusals come first. */
function firstLack(findings: readonly Finding[]): Pointer {
  const lack = findings.find(isUndecided)?.lacks[0];
  if (lack === undefined) throw new Error('an undecided verdict lacks nothing');
  return lack;
}

const isIn = <T>(some: ReadonlySet<T>, others: ReadonlySet<T>): boolean => [...some].every((each) => others.has(each));
