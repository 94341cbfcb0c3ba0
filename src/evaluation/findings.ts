import { resolve } from '../descriptor/scenario.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { SitePolicy } from '../policy/site-policy.ts';
import type { Finding } from '../rules/finding.ts';
import { findingsIn, findingsSince, judge } from '../rules/judge.ts';

/** What the rules, and the site, find on the source and, where one is given, on the destination: for a verdict. */
export function findingsOf(descriptor: Descriptor, policy: SitePolicy | null): readonly Finding[] {
  const source = resolve(descriptor, 'source');
  const destination = descriptor.destination ? resolve(descriptor, 'destination') : null;
  const find = policy?.looksBehind ? judge : findingsIn;
  const found = destination ? [...find(source), ...find(destination)] : find(source);
  return policy ? policy.heed(found, { descriptor, source, destination }) : found;
}

/** {@link findingsOf} a descriptor that differs from the one in which `before` was found in that it says more. */
export function findingsSaidMore(
  before: readonly Finding[],
  descriptor: Descriptor,
  policy: SitePolicy | null,
): readonly Finding[] {
  // What a site makes of QEMU's findings it makes of all of them together.
  if (policy) return findingsOf(descriptor, policy);
  const sides = descriptor.destination ? (['source', 'destination'] as const) : (['source'] as const);
  return sides.flatMap((side) =>
    findingsSince(
      before.filter(({ host }) => host === side),
      resolve(descriptor, side),
    ),
  );
}
