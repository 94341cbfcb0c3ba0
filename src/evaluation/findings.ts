import { resolve, type Scenario } from '../descriptor/scenario.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { SitePolicy } from '../policy/site-policy.ts';
import type { Finding } from '../rules/finding.ts';
import { findingsIn, findingsSince, judge } from '../rules/judge.ts';

/**
 * What the rules, and the site, find on the source and, where one is given, on the destination: for a verdict. `before` is
 * what was found in a descriptor that says less, and nothing else.
 */
export function findingsOf(
  descriptor: Descriptor,
  policy: SitePolicy | null,
  before?: readonly Finding[],
): readonly Finding[] {
  const source = resolve(descriptor, 'source');
  const destination = descriptor.destination ? resolve(descriptor, 'destination') : null;
  const find = (scenario: Scenario): Finding[] => {
    if (policy?.looksBehind) return judge(scenario);
    // What a site makes of QEMU's findings it makes of all of them together, and so do the reasons that QEMU gave.
    if (policy || !before || scenario.vm.blockedReasons) return findingsIn(scenario);
    const there = before.filter(({ host }) => host === scenario.side);
    return findingsSince(there, scenario);
  };
  const found = destination ? [...find(source), ...find(destination)] : find(source);
  return policy ? policy.heed(found, { descriptor, source, destination }) : found;
}
