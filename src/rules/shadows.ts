import { counts, type Finding, isRefusal, type Phase, phaseOf, phases, type Reporter } from './finding.ts';

/** `findings` with what QEMU never comes to say marked, and with where the others are read. */
export const asSaid = (findings: readonly Finding[]): Finding[] =>
  findings.length === 0 ? [] : withReporters(withShadows(findings));

/**
 * Marks what QEMU never comes to say. A device stops at its first refusal in `vfio_migration_realize`; a VM that fails to
 * start ends there, and with it every blocker; what fails `migrate`, or the start of dirty tracking, fails it once; and a
 * hazard of running migration cannot happen behind any of them.
 */
function withShadows(findings: readonly Finding[]): Finding[] {
  const refusals = findings.filter((finding) => counts(finding) && isRefusal(finding));
  // A blocker that stands for all devices does not end the realizing of one.
  const inRealize = refusals.filter(({ inRealize: isIn, once }) => isIn && !once);
  // What exits QEMU once the machine is there comes after what fails a device.
  const startFailure =
    refusals.find(({ effect, late }) => effect === 'start-failure' && !late) ??
    refusals.find(({ effect }) => effect === 'start-failure');
  const shadowOf = (finding: Finding): Finding | undefined => {
    if (finding === startFailure) return undefined;
    if (startFailure) {
      const isSaidBefore =
        finding.messages.start !== undefined &&
        finding.effect === 'warning' &&
        isBefore(findings, finding, startFailure);
      return isSaidBefore ? undefined : startFailure;
    }
    if (finding.rule.withoutMigration) return undefined;
    const first = finding.inRealize ? inRealize.find(({ device }) => device === finding.device) : undefined;
    if (first && isBefore(findings, first, finding)) return first;
    return refusals.find((refusal) => stops(refusal, finding, findings));
  };
  return findings.map((finding) => {
    const shadow = finding.seen ? undefined : shadowOf(finding);
    return shadow?.rule.id === finding.shadowedBy ? finding : { ...finding, shadowedBy: shadow?.rule.id };
  });
}

const rank = (phase: Phase): number => phases.indexOf(phase);

/** Whether QEMU has given up over `refusal` before it comes to `finding`. Blockers are said side by side. */
function stops(refusal: Finding, finding: Finding, findings: readonly Finding[]): boolean {
  if (finding.effect === 'blocker') return false;
  const [before, after] = [rank(phaseOf(refusal)), rank(phaseOf(finding))];
  return before === after ? isBefore(findings, refusal, finding) : before < after;
}

const isBefore = (findings: readonly Finding[], a: Finding, b: Finding): boolean =>
  findings.indexOf(a) < findings.indexOf(b);

/**
 * Says where each finding is read. `query-migrate` lists all blockers; `migrate` names the one that was added last, unless
 * there is a device whose state cannot be saved.
 */
function withReporters(findings: readonly Finding[]): Finding[] {
  const said = new Set(findings.filter((finding) => counts(finding) && finding.shadowedBy === undefined));
  const blockers = [...said].filter(({ effect }) => effect === 'blocker');
  const named = blockers.findLast(({ rule }) => rule.vmState) ?? blockers.at(-1);
  const reporters = (finding: Finding): readonly Reporter[] => {
    if (!said.has(finding)) return [];
    const { messages } = finding;
    const readers: Reporter[] = messages.start === undefined ? [] : ['start'];
    if (messages.queryMigrate !== undefined) readers.push('query-migrate');
    if (messages.migrate !== undefined && (finding.effect !== 'blocker' || finding === named)) readers.push('migrate');
    return readers;
  };
  return findings.map((finding) => {
    const reportedBy = reporters(finding);
    return reportedBy.length + finding.reportedBy.length === 0 ? finding : { ...finding, reportedBy };
  });
}
