import type { Device } from '../descriptor/device.ts';
import {
  all,
  choose,
  constant,
  evidence,
  type Fact,
  lacking,
  map,
  no,
  type Reading,
  type Truth,
} from '../descriptor/fact.ts';
import type { Side } from '../descriptor/host.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import type { Finding } from './finding.ts';
import { deviceRules, vmRules } from './index.ts';
import type { Case, DeviceRule, Effect, Rule } from './rule.ts';
import { withReporters, withShadows } from './shadows.ts';
import { fill, onlyMigratableError, realizeError, warning } from './words.ts';

/**
 * Everything that the rules find in `scenario`, in the order in which QEMU comes to it, with what it would say and where.
 * Rules that do not fire are left out unless `includeClear`.
 */
export function judge(scenario: Scenario, includeClear = false): Finding[] {
  const findings: Finding[] = [];
  const add = (finding: Finding | null): void => {
    if (finding) findings.push(finding);
  };
  for (const rule of vmRules) add(apply(rule, rule.cases, scenario, null, includeClear));
  const said = new Set<string>();
  for (const [index, device] of scenario.devices.entries()) {
    const container = scenario.containers.find(({ devices }) => devices.includes(device));
    // A failover primary is unplugged before migration starts: QEMU does not prepare it for migration at all.
    if (!container || !isMigratableType(device)) continue;
    const here = { ...scenario, device, realized: scenario.devices.slice(0, index + 1), container };
    for (const rule of judgedOn[scenario.side]) {
      const finding = apply(rule, rule.cases, here, device, includeClear);
      if (finding?.once && said.has(`${rule.id} ${finding.effect}`)) continue;
      if (finding?.once) said.add(`${rule.id} ${finding.effect}`);
      add(finding);
    }
  }
  return withReporters(withShadows(findings));
}

/** What can go wrong while migration runs happens on the source. */
const judgedOn: Readonly<Record<Side, readonly DeviceRule[]>> = {
  source: deviceRules,
  destination: deviceRules.filter(
    ({ effect }) => typeof effect !== 'string' || effect === 'start-failure' || effect === 'blocker',
  ),
};

/** vfio-ap, vfio-ccw and vfio-user-pci do not go through `vfio_migration_realize`. */
export const isMigratableType = ({ type }: Device): boolean => type === 'vfio-pci' || type === 'mdev';

type Cases<Here> = Readonly<Record<string, Case<Here> | undefined>>;

/** What `rule` says here; `null` when it is clear, unless that is to be listed. Evidence is gathered for what is listed only. */
function apply<Here extends Scenario>(
  rule: Rule,
  cases: Cases<Here>,
  here: Here,
  device: Device | null,
  includeClear: boolean,
): Finding | null {
  const behaviour: Fact<string> = here.host.qemu[rule.behaviour];
  const holds = behaviour.known
    ? (cases[behaviour.value]?.holds(here) ?? no)
    : inEveryCase(behaviour.lacks, cases, here);
  const isUnconditional = rule.trigger === undefined || (holds.known && !holds.value);
  const truth = isUnconditional ? holds : all(holds, here.mayHappen(rule.trigger));
  const isClear = truth.known && !truth.value;
  if (isClear && !includeClear) return null;
  const about = { rule, host: here.side, ...(device && { device: device.id }), reportedBy: [], lacks: [] };
  const readings = evidenceOf(behaviour, truth);
  if (isClear) return { ...about, outcome: 'clear', effect: 'warning', messages: {}, evidence: readings };
  const effect = effectOf(rule, here, device);
  if (!truth.known || !effect.known) {
    const lacks = new Set([truth, effect].flatMap((fact) => (fact.known ? [] : fact.lacks)));
    return {
      ...about,
      outcome: 'unknown',
      effect: effect.known ? effect.value : 'blocker',
      messages: {},
      evidence: [],
      lacks: [...lacks],
    };
  }
  const said = behaviour.known ? cases[behaviour.value] : undefined;
  const fired = {
    ...about,
    outcome: 'fires' as const,
    evidence: readings,
    ...consequence(effect.value, said, here, device),
  };
  return here.side === 'destination' && fired.effect === 'blocker'
    ? { ...fired, effect: rule.atDestination ?? 'warning' }
    : fired;
}

/** What a truth rests on, the behaviour that it was asked for first. */
const evidenceOf = (behaviour: Fact<string>, truth: Truth): Reading[] => {
  const both = choose(behaviour, () => truth);
  return both.known ? evidence(both) : [];
};

/** The truth where it is not known which QEMU this is: false if no QEMU has the rule fire. */
function inEveryCase<Here>(lacks: readonly string[], cases: Cases<Here>, here: Here): Truth {
  const truths = Object.values(cases).map((each) => each?.holds(here) ?? no);
  if (truths.every((truth) => truth.known && !truth.value)) return no;
  return lacking(...lacks, ...truths.flatMap((truth) => (truth.known ? [] : truth.lacks)));
}

function effectOf({ effect }: Rule, { host }: Scenario, device: Device | null): Fact<Effect> {
  if (typeof effect === 'string' || !device) return constant(typeof effect === 'string' ? effect : effect.auto);
  return choose(host.qemu.enableMigration, (property) =>
    property === 'boolean-off'
      ? constant(effect.auto)
      : map(device.enableMigration, (value) => (value === 'on' ? effect.on : effect.auto)),
  );
}

/** What comes of a rule that fires, and QEMU's words for it with its prefixes. */
function consequence<Here extends Scenario>(
  effect: Effect,
  said: Case<Here> | undefined,
  here: Here,
  device: Device | null,
): Pick<Finding, 'effect' | 'messages' | 'outsideRealize' | 'once'> {
  const isFatalBlocker = effect === 'blocker' && here.vm.onlyMigratable.known && here.vm.onlyMigratable.value;
  const final = {
    effect: isFatalBlocker ? ('start-failure' as const) : effect,
    ...(said?.outsideRealize && { outsideRealize: said.outsideRealize }),
    ...(said?.once && { once: said.once }),
  };
  if (said?.message == null) return { ...final, messages: {} };
  const reason = fill(said.message, { ...(device && { device: device.name }), ...said.parameters?.(here) });
  const inRealize = device && !said.outsideRealize;
  switch (effect) {
    case 'start-failure':
      return { ...final, messages: { start: inRealize ? realizeError(device.name, reason) : reason } };
    case 'blocker':
      return device && isFatalBlocker
        ? { ...final, messages: { start: onlyMigratableError(device.name, reason) } }
        : { ...final, messages: { queryMigrate: reason, migrate: reason } };
    case 'warning':
      return { ...final, messages: { start: warning(reason) } };
    case 'migration-failure':
    case 'data-loss':
    case 'no-convergence':
      return { ...final, messages: { migrate: reason } };
  }
}
