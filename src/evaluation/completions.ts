import { type Pointer, withValueAt } from '../descriptor/pointer.ts';
import { questionAt } from '../descriptor/questions.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { Finding } from '../rules/finding.ts';
import { findingsOf } from './findings.ts';
import { type KnownVerdict, settledVerdict, verdicts } from './verdict.ts';

/** Disks, or devices that are no VFIO devices, of which judging so many costs as much as judging one. */
const OTHERS_A_COST = 4;

/** What one search may spend. */
export const BUDGET = 2000;

/** What the searches of one request may spend together: judging one device, or one run of mappings, on one host costs 1. */
export class Budget {
  #left: number;
  readonly #whole: Budget | undefined;

  /** What is spent of it is spent of the `whole`, too. */
  constructor(left = BUDGET, whole?: Budget) {
    this.#left = left;
    this.#whole = whole;
  }

  /** Whether `descriptor` may still be judged; if so, that is paid for. */
  spend(descriptor: Descriptor): boolean {
    const { vm, destination } = descriptor;
    const cost = vm.vfio.reduce((sum, { mappings = [] }) => sum + 1 + mappings.length, 0);
    const others = Math.ceil(((vm.otherDevices?.length ?? 0) + (vm.disks?.length ?? 0)) / OTHERS_A_COST);
    this.#left -= Math.max(cost + others, 1) * (destination ? 2 : 1);
    return this.#whole?.spend(descriptor) !== false && this.#left >= 0;
  }

  get isSpent(): boolean {
    return this.#left < 0 || this.#whole?.isSpent === true;
  }
}

/** What an answer says when its budget was spent. */
export const TOO_MUCH_UNKNOWN = 'too much is unknown to try every completion: what was not tried counts as possible';

/** The verdicts that `descriptor` can have, of which `findings` are known, best first. */
export function verdictsOf(descriptor: Descriptor, findings: readonly Finding[], budget: Budget): KnownVerdict[] {
  const settled = settledVerdict(findings);
  return settled ? [settled] : possibleVerdicts(descriptor, findings, budget);
}

/**
 * The verdict that `descriptor` has whatever is still missing; `null` where that matters, or was too much to try. Two
 * guesses, all for the best and all for the worst, tell most cases apart without a search.
 */
export function settlesAt(descriptor: Descriptor, findings: readonly Finding[], budget: Budget): KnownVerdict | null {
  const settled = settledVerdict(findings);
  if (settled) return settled;
  const [best, worst] = [0, -1].map((at) => guess(descriptor, findings, at, budget));
  if (best && worst && best !== worst) return null;
  const possible = possibleVerdicts(descriptor, findings, budget);
  return possible.length === 1 ? (possible[0] ?? null) : null;
}

/** The verdict if every missing fact has the first (0) or the last (-1) of its values, best first. */
function guess(descriptor: Descriptor, findings: readonly Finding[], at: number, budget: Budget): KnownVerdict | null {
  let [completed, found] = [descriptor, findings];
  let settled = settledVerdict(found);
  while (settled === null) {
    for (const pointer of new Set(found.flatMap(({ lacks }) => lacks))) {
      completed = withValueAt(completed, pointer, questionAt(pointer).values.at(at));
    }
    if (!budget.spend(completed)) return null;
    found = findingsOf(completed);
    settled = settledVerdict(found);
  }
  return settled;
}

/**
 * The verdicts that `descriptor` can have once what it leaves open is known, best first; one if it does not matter.
 *
 * A fact that decides nothing is never varied: the search takes the first fact that an undecided rule lacks, judges the
 * descriptor with each of its values, and goes on from there. It ends early once every verdict was met; past its budget
 * it calls every verdict possible, so that what it rules out is ruled out.
 */
function possibleVerdicts(descriptor: Descriptor, findings: readonly Finding[], budget: Budget): KnownVerdict[] {
  const met = new Set<KnownVerdict>();
  const search = (completed: Descriptor, found: readonly Finding[]): void => {
    const settled = settledVerdict(found);
    if (settled) met.add(settled);
    if (settled || met.size === verdicts.length) return;
    const pointer = firstLack(found);
    for (const value of questionAt(pointer).values) {
      const next = withValueAt(completed, pointer, value);
      if (!budget.spend(next)) {
        for (const verdict of verdicts) met.add(verdict);
        return;
      }
      search(next, findingsOf(next));
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
