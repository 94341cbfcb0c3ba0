import type { Finding } from '../rules/finding.ts';
import type { Verdict } from './verdict.ts';

/** One sentence that a human can act on. */
export function summarize(verdict: Verdict, deciding: readonly Finding[], findings: readonly Finding[]): string {
  const open = new Set(findings.flatMap(({ lacks }) => lacks));
  switch (verdict) {
    case 'allowed':
      return 'Nothing that was checked refuses this migration.';
    case 'unknown':
      return `Cannot say without ${some([...open])}.`;
    case 'risky':
      return `QEMU accepts the migration, but: ${reasons(deciding)}.`;
    case 'unsafe':
      return `QEMU would report success, but: ${reasons(deciding)}.`;
    case 'blocked':
      return `${deciding[0]?.rule.layer === 'policy' ? 'The site’s policy' : 'QEMU'} refuses: ${reasons(deciding)}.`;
  }
}

/** The first of what was found, or all of which one or the other will be. */
function reasons(deciding: readonly Finding[]): string {
  const [first, ...others] = deciding;
  if (!first) return 'whatever the missing facts are';
  if (first.outcome === 'unknown') return [...new Set(deciding.map(words))].join(', or ');
  return `${words(first)}${others.length > 0 ? ` (and ${others.length} more)` : ''}`;
}

/** The first three. */
const some = (pointers: readonly string[]): string =>
  pointers.length > 3
    ? `${pointers.slice(0, 3).join(', ')} and ${pointers.length - 3} more facts`
    : pointers.join(', ');

/** What the finding says: its title, the device, and QEMU's own words where it has any. */
function words({ rule, device, host, messages }: Finding): string {
  const said = messages.start ?? messages.queryMigrate ?? messages.migrate ?? messages.site;
  const where = [...(device === undefined ? [] : [device]), ...(host === 'destination' ? ['on the destination'] : [])];
  const about = where.length === 0 ? rule.title : `${rule.title} (${where.join(' ')})`;
  return said === undefined ? about : `${about}: "${said}"`;
}
