import type { Finding } from '../rules/finding.ts';
import type { Verdict } from './verdict.ts';

/** One sentence that a human can act on. */
export function summarize(verdict: Verdict, deciding: readonly Finding[], findings: readonly Finding[]): string {
  const [first] = deciding;
  const open = new Set(findings.flatMap(({ lacks }) => lacks));
  const more = deciding.length > 1 ? ` (and ${deciding.length - 1} more)` : '';
  switch (verdict) {
    case 'allowed':
      return 'Nothing that was checked refuses this migration.';
    case 'unknown':
      return `Cannot say without ${[...open].join(', ')}.`;
    case 'risky':
      return first ? `QEMU accepts the migration, but: ${words(first)}${more}.` : RISKY_EITHER_WAY;
    case 'unsafe':
      return first ? `QEMU would report success, but: ${words(first)}${more}.` : RISKY_EITHER_WAY;
    case 'blocked':
      return first ? `QEMU refuses: ${words(first)}${more}.` : 'QEMU refuses, whatever the missing facts are.';
  }
}

const RISKY_EITHER_WAY = 'QEMU accepts the migration, but it is not safe, whatever the missing facts are.';

/** What the finding says: its title, the device, and QEMU's own words where it has any. */
function words({ rule, device, messages }: Finding): string {
  const said = messages.start ?? messages.queryMigrate ?? messages.migrate;
  const about = device === undefined ? rule.title : `${rule.title} (${device})`;
  return said === undefined ? about : `${about}: "${said}"`;
}
