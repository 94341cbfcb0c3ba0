import { type Pointer, withValueAt } from '../descriptor/pointer.ts';
import { questionAt } from '../descriptor/questions.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { Finding } from '../rules/finding.ts';
import { findingsOf } from './findings.ts';
import { type KnownVerdict, settledVerdict, verdicts } from './verdict.ts';

/** How many descriptors one search may judge. */
const BUDGET = 2000;

/**
 * The verdicts that `descriptor` can have once what it leaves open is known, best first; one if it does not matter.
 *
 * A fact that decides nothing is never varied: the search takes the first fact that an undecided rule lacks, judges the
 * descriptor with each of its values, and goes on from there. It ends early once every verdict was met; past its budget
 * it calls every verdict possible, so that what it rules out is ruled out.
 */
export function possibleVerdicts(descriptor: Descriptor, findings: readonly Finding[]): KnownVerdict[] {
  const met = new Set<KnownVerdict>();
  let budget = BUDGET;
  const search = (completed: Descriptor, found: readonly Finding[]): void => {
    const settled = settledVerdict(found);
    if (settled) met.add(settled);
    if (settled || met.size === verdicts.length) return;
    const pointer = firstLack(found);
    for (const value of questionAt(pointer).values) {
      if (budget-- <= 0) {
        for (const verdict of verdicts) met.add(verdict);
        return;
      }
      const next = withValueAt(completed, pointer, value);
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
