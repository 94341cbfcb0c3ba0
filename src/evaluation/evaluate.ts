import { isNewerThanKnown } from '../descriptor/host.ts';
import { withValueAt } from '../descriptor/pointer.ts';
import { questionAt } from '../descriptor/questions.ts';
import { resolve, type Scenario } from '../descriptor/scenario.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { NEWEST_QEMU, OLDEST_QEMU } from '../platform/qemu.ts';
import { isAtLeast } from '../platform/version.ts';
import type { Finding } from '../rules/finding.ts';
import { judge } from '../rules/judge.ts';
import { decisionIdOf, ruleset } from './canonical.ts';
import { Budget, possibleVerdicts } from './completions.ts';
import { containerCosts } from './costs.ts';
import type { DecidedFinding, Decision } from './decision.ts';
import { findingsOf } from './findings.ts';
import { outOfScope } from './scope.ts';
import { summarize } from './summary.ts';
import { causesOf, decisive, type KnownVerdict, settledVerdict, type Verdict } from './verdict.ts';

export interface Options {
  /** Whether rules that do not fire are listed too. */
  readonly includeClear?: boolean;
  /** What the importer of the descriptor saw and no rule reads. */
  readonly notChecked?: readonly string[];
}

/** Judges `descriptor`, which must have passed {@link check}: verdict, findings, unknowns and costs. Pure. */
export function evaluate(descriptor: Descriptor, { includeClear = false, notChecked = [] }: Options = {}): Decision {
  const source = resolve(descriptor, 'source');
  const destination = descriptor.destination ? [resolve(descriptor, 'destination')] : [];
  const listed = [source, ...destination].flatMap((scenario) => judge(scenario, includeClear));
  const findings = listed.filter(({ outcome }) => outcome !== 'clear');
  const budget = new Budget();
  const possible = verdictsOf(descriptor, findings, budget);
  const settled = possible.length === 1 ? possible[0] : undefined;
  const verdict: Verdict = settled ?? 'unknown';
  const deciding = settled ? decisive(findings, settled) : [];
  return {
    ...(descriptor.ref !== undefined && { ref: descriptor.ref }),
    decisionId: decisionIdOf(descriptor),
    ruleset,
    verdict,
    because: causesFor(settled, deciding),
    ...(settled ? {} : { possible }),
    confidence: deciding.some(({ rule }) => rule.source.confidence === 'inferred') ? 'inferred' : 'confirmed',
    summary: summarize(verdict, deciding, findings),
    findings: listed.map(decided),
    unknowns: unknownsOf(descriptor, findings, verdict, budget),
    containers: source.containers.map(containerCosts),
    assumptions: [
      ...assumptionsOf(source),
      ...(budget.isSpent ? ['too much is unknown to try every completion: what was not tried counts as possible'] : []),
    ],
    scope: { notChecked: [...outOfScope(descriptor, source), ...notChecked] },
  };
}

function verdictsOf(descriptor: Descriptor, findings: readonly Finding[], budget: Budget): KnownVerdict[] {
  const settled = settledVerdict(findings);
  return settled ? [settled] : possibleVerdicts(descriptor, findings, budget);
}

/** A verdict that every completion shares, without one finding that decides it, still rests on what is missing. */
function causesFor(settled: KnownVerdict | undefined, deciding: readonly Finding[]): Decision['because'] {
  if (settled === 'allowed') return [];
  return deciding.length > 0 ? causesOf(deciding) : ['missing-facts'];
}

function decided(finding: Finding): DecidedFinding {
  const { rule, outcome, effect, host, device, reportedBy, shadowedBy, messages, evidence } = finding;
  return {
    rule: rule.id,
    outcome,
    effect,
    ...(rule.trigger && { trigger: rule.trigger }),
    layer: rule.layer,
    host,
    ...(device !== undefined && { device }),
    reportedBy: [...reportedBy],
    ...(shadowedBy !== undefined && { shadowedBy }),
    confidence: rule.source.confidence,
    messages,
    evidence: evidence.map((reading) => ({ ...reading, value: printable(reading.value) })),
    liftedBy: [...rule.liftedBy],
  };
}

/** JSON has no bigint: whole numbers up to 2^53 − 1, hex above. */
function printable(value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  return value <= Number.MAX_SAFE_INTEGER ? Number(value) : `0x${value.toString(16)}`;
}

function unknownsOf(
  descriptor: Descriptor,
  findings: readonly Finding[],
  verdict: Verdict,
  budget: Budget,
): Decision['unknowns'] {
  const needs = new Map<string, Set<string>>();
  for (const { rule, lacks } of findings) {
    for (const pointer of lacks) needs.set(pointer, (needs.get(pointer) ?? new Set()).add(rule.id));
  }
  return [...needs].map(([pointer, rules]) => {
    const { values, obtain } = questionAt(pointer);
    const decides = (value: unknown): [string, Verdict] => {
      const completed = withValueAt(descriptor, pointer, value);
      const possible = budget.spend(completed) ? verdictsOf(completed, findingsOf(completed), budget) : [];
      return [labelOf(value), possible.length === 1 ? (possible[0] as Verdict) : 'unknown'];
    };
    return {
      pointer,
      neededBy: [...rules],
      obtain,
      ...(verdict === 'unknown' && { decides: Object.fromEntries(values.map(decides)) }),
    };
  });
}

const labelOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

function assumptionsOf({ host, containers }: Scenario): string[] {
  const assumptions = containers.flatMap(({ devices, transitions }) =>
    transitions.flatMap(({ from, to, cost }) =>
      cost.known ? cost.value.assumptions.map((each) => `${devices[0]?.id}, ${from} to ${to}: ${each}`) : [],
    ),
  );
  if (host.qemuVersion.known && !isAtLeast(host.qemuVersion.value, OLDEST_QEMU)) {
    assumptions.push(
      `${host.pointer}/qemu is older than ${OLDEST_QEMU}, the first that was studied: nothing is taken for known of it`,
    );
  }
  if (host.qemuVersion.known && isNewerThanKnown(host.qemuVersion.value)) {
    assumptions.push(
      `${host.pointer}/qemu is newer than ${NEWEST_QEMU}, the last that was studied: taken to behave like it`,
    );
  }
  if (host.memory !== null) {
    assumptions.push(
      `${host.pointer}/memory bounds what one allocation of QEMU may have: no swap, vm.overcommit_memory=0`,
    );
  }
  return assumptions;
}
