import { resolve } from '../descriptor/scenario.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { SitePolicy } from '../policy/site-policy.ts';
import type { Finding } from '../rules/finding.ts';
import { findingsIn, judge } from '../rules/judge.ts';

/** What the rules, and the site, find on the source and, where one is given, on the destination: for a verdict. */
export function findingsOf(descriptor: Descriptor, policy: SitePolicy | null): readonly Finding[] {
  const source = resolve(descriptor, 'source');
  const destination = descriptor.destination ? resolve(descriptor, 'destination') : null;
  const find = policy?.looksBehind ? judge : findingsIn;
  const found = destination ? [...find(source), ...find(destination)] : find(source);
  return policy ? policy.heed(found, { descriptor, source, destination }) : found;
}
