import { type Finding, isRefusal, type Reporter } from './finding.ts';

/**
 * Marks what QEMU never comes to say. It stops at the first refusal of a device; a device that fails to start ends the
 * VM, and with it every blocker; and a hazard of running migration cannot happen behind a refusal.
 */
export function withShadows(findings: readonly Finding[]): Finding[] {
  const refusals = findings.filter((finding) => finding.outcome === 'fires' && isRefusal(finding));
  const inRealize = refusals.filter(({ outsideRealize }) => !outsideRealize);
  const startFailure = [...inRealize, ...refusals].find(({ effect }) => effect === 'start-failure');
  const stop = (finding: Finding): Finding | undefined => {
    if (startFailure && finding !== startFailure) {
      const isSaidBefore = finding.effect === 'warning' && isBefore(findings, finding, startFailure);
      return isSaidBefore ? undefined : startFailure;
    }
    const first = finding.outsideRealize ? undefined : inRealize.find(({ device }) => device === finding.device);
    if (first && first !== finding && isBefore(findings, first, finding)) return first;
    return isRefusal(finding) || finding.effect === 'warning' ? undefined : refusals[0];
  };
  return findings.map((finding) => {
    const shadow = stop(finding);
    return shadow ? { ...finding, shadowedBy: shadow.rule.id } : finding;
  });
}

const isBefore = (findings: readonly Finding[], a: Finding, b: Finding): boolean =>
  findings.indexOf(a) < findings.indexOf(b);

/** Says where each finding is read. `migrate` names the blocker that was added last, `query-migrate` all of them. */
export function withReporters(findings: readonly Finding[]): Finding[] {
  const said = findings.filter(({ outcome, shadowedBy }) => outcome === 'fires' && shadowedBy === undefined);
  const lastBlocker = said.findLast(({ effect }) => effect === 'blocker');
  const reporters = (finding: Finding): readonly Reporter[] => {
    if (!said.includes(finding)) return [];
    const { messages } = finding;
    const readers: Reporter[] = messages.start === undefined ? [] : ['start'];
    if (messages.queryMigrate !== undefined) readers.push('query-migrate');
    if (messages.migrate !== undefined && (finding.effect !== 'blocker' || finding === lastBlocker))
      readers.push('migrate');
    return readers;
  };
  return findings.map((finding) => ({ ...finding, reportedBy: reporters(finding) }));
}
