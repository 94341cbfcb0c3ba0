import { read } from '../descriptor/fact.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import type { Finding } from './finding.ts';
import { recognise } from './recognise.ts';
import { runtimeBlockedReason } from './runtime-blocked-reason.ts';
import { asSaid } from './shadows.ts';

/** The source's VM runs: what by our rules would have kept it from starting did not. */
export const contradictedByRunning = (findings: readonly Finding[]): Finding[] =>
  findings.map((finding) =>
    finding.effect === 'start-failure' && finding.outcome === 'fires'
      ? { ...finding, outcome: 'contradicted' as const }
      : finding,
  );

/**
 * `findings`, as they are predicted, beside the `reasons` that the running QEMU gave in `query-migrate`, which outrank
 * them: what was predicted and is not there is contradicted, and so is what is there and was not predicted, which counts
 * all the same; whether an unknown one holds is known.
 */
export function contradictedByReasons(
  findings: readonly Finding[],
  reasons: readonly string[],
  { devices }: Scenario,
): Finding[] {
  const left = reasons.map((reason, index) => ({ reason, index }));
  const claim = (isTheirs: (reason: string) => boolean): (typeof left)[number] | undefined => {
    const at = left.findIndex(({ reason }) => isTheirs(reason));
    return at === -1 ? undefined : left.splice(at, 1)[0];
  };
  const foreseen = withDenied(findings, (predicted) => claim((reason) => isSame(predicted, reason)) !== undefined);
  const heeded = foreseen.flatMap((finding): Finding[] => {
    if (finding.effect !== 'blocker' || finding.outcome !== 'unknown') return [finding];
    const name = devices.find(({ id }) => id === finding.device)?.name;
    const seen = claim((reason) => isOf(finding.rule.id, name, reason));
    return seen ? [reported(finding, seen.reason, seen.index, 'fires')] : [];
  });
  const unforeseen = left.map(({ reason, index }) => {
    const [match] = recognise(reason);
    const device = devices.find(({ name }) => name === match?.parameters['device']);
    const rule = match?.rule ?? runtimeBlockedReason;
    const finding = { ...UNFORESEEN, rule, device: device?.id, place: device?.pointer };
    return reported(finding, reason, index, 'contradicted');
  });
  const after = heeded.findLastIndex(({ effect }) => effect === 'blocker' || effect === 'start-failure') + 1;
  return heeded.toSpliced(after, 0, ...unforeseen);
}

/**
 * `findings`, with those contradicted that `query-migrate` would show and that are not there, by their words. Where QEMU
 * did not stop at one, it went on to what was thought to be behind it, which would be there, too.
 */
function withDenied(findings: readonly Finding[], isThere: (reason: string) => boolean): Finding[] {
  const heard = new Set<number>();
  for (let said = asSaid(findings); ; said = asSaid(said)) {
    const before = said;
    said = before.map((finding, index) => {
      if (heard.has(index) || !finding.reportedBy.includes('query-migrate')) return finding;
      heard.add(index);
      return isThere(finding.messages.queryMigrate ?? '') ? finding : { ...finding, outcome: 'contradicted' };
    });
    if (said.every((finding, index) => finding === before[index])) return said;
  }
}

const UNFORESEEN = {
  effect: 'blocker',
  host: 'source',
  reportedBy: [],
  shadowedBy: undefined,
  once: false,
  inRealize: false,
  late: false,
} as const;

const reported = (
  finding: Omit<Finding, 'outcome' | 'seen' | 'messages' | 'basis' | 'lacks'>,
  reason: string,
  index: number,
  outcome: Finding['outcome'],
): Finding => ({
  ...finding,
  outcome,
  seen: true,
  messages: { queryMigrate: reason, migrate: reason },
  basis: read('/vm/runtime/blockedReasons', String(index), reason, 'given'),
  lacks: [],
});

/** Whether `reason` is what the rule says of the device called `name`. */
const isOf = (rule: string, name: string | undefined, reason: string): boolean =>
  recognise(reason).some(
    (match) => match.rule.id === rule && (name === undefined || (match.parameters['device'] ?? name) === name),
  );

/** Names that QEMU makes up for nodes of block devices differ from run to run; of a device's path the end may be all we know. */
function isSame(predicted: string, reason: string): boolean {
  const [before, after] = [predicted, reason].map((text) => text.replaceAll(/#block\d*/g, '#block')) as [
    string,
    string,
  ];
  const cut = before.indexOf('…');
  return cut < 0 ? before === after : after.startsWith(before.slice(0, cut)) && after.endsWith(before.slice(cut + 1));
}
