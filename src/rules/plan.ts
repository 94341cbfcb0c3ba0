import type { Fact } from '../descriptor/fact.ts';
import type { Qemu } from '../descriptor/host.ts';
import { oncePer } from '../descriptor/remembered.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import type { FindingRule } from './finding.ts';
import type { Pass } from './index.ts';
import type { Case, ContainerHere, DeviceHere, DiskHere, OtherHere, Rule, RuleAbout } from './rule.ts';

/** A rule as the QEMU at hand has it. */
export interface Planned<Here> {
  readonly rule: Rule;
  /** `null` for a rule that every QEMU has. */
  readonly behaviour: Fact<string> | null;
  /** One case, or `undefined` for a QEMU that never says this; several where it is not known which QEMU this is. */
  readonly cases: readonly [Case<Here> | undefined] | readonly Case<Here>[];
  /** For cpr-transfer and cpr-exec only: modes that are rare, while what their rules read is not cheap. */
  readonly isRare: boolean;
}

/** The rules of one {@link Pass}, by what they are about. */
export interface PlannedPass {
  readonly copiesMemory: boolean;
  /** Whether there are rules about devices of any kind. */
  readonly concernsDevices: boolean;
  readonly disk: readonly Planned<DiskHere>[];
  readonly vm: readonly Planned<Scenario>[];
  readonly other: readonly Planned<OtherHere>[];
  readonly device: readonly Planned<DeviceHere>[];
  /** Those of `device` that may be true of one that is not behind a vIOMMU. */
  readonly untranslated: readonly Planned<DeviceHere>[];
  /** Those of `device` that keep one from being plugged in, which says nothing of its migration. */
  readonly plugged: readonly Planned<DeviceHere>[];
  readonly unprepared: readonly Planned<DeviceHere>[];
  readonly container: readonly Planned<ContainerHere>[];
}

/** The hosts of a fleet run a few QEMUs, whose facts they share. */
const plans = new WeakMap<Qemu, Map<readonly Pass[], readonly PlannedPass[]>>();

/** `passes` without the rules that the QEMU at hand never applies. */
export function planOf(passes: readonly Pass[], qemu: Qemu): readonly PlannedPass[] {
  const ofQemu = plans.get(qemu) ?? new Map<readonly Pass[], readonly PlannedPass[]>();
  plans.set(qemu, ofQemu);
  const planned = ofQemu.get(passes) ?? planAll(passes, qemu, ({ cases }) => cases[0] !== undefined);
  ofQemu.set(passes, planned);
  return planned;
}

/** Plans of those rules alone that a search asks again and again, by their ids. */
const askedPlans = oncePer<readonly PlannedPass[], Map<string, readonly PlannedPass[]>>(() => new Map());
const ASKED_PLANS_MAX = 32;

/** {@link planOf} without the rules that are not `asked`. */
export function planOfAsked(
  passes: readonly Pass[],
  qemu: Qemu,
  asked: ReadonlySet<FindingRule>,
): readonly PlannedPass[] {
  const whole = planOf(passes, qemu);
  const known = askedPlans(whole);
  const key = [...asked].map(({ id }) => id).join(' ');
  const before = known.get(key);
  if (before) return before;
  if (known.size >= ASKED_PLANS_MAX) known.clear();
  const planned = onlyAsked(whole, asked);
  known.set(key, planned);
  return planned;
}

function onlyAsked(whole: readonly PlannedPass[], asked: ReadonlySet<FindingRule>): PlannedPass[] {
  const only = <Here>(rules: readonly Planned<Here>[]): Planned<Here>[] => rules.filter(({ rule }) => asked.has(rule));
  return whole.flatMap((pass) => {
    const rules = {
      disk: only(pass.disk),
      vm: only(pass.vm),
      other: only(pass.other),
      device: only(pass.device),
      untranslated: only(pass.untranslated),
      plugged: only(pass.plugged),
      unprepared: only(pass.unprepared),
      container: only(pass.container),
    };
    return Object.values(rules).some(({ length }) => length > 0) ? [{ ...pass, ...rules }] : [];
  });
}

/** `passes` with every rule, those included that the QEMU at hand never applies. */
export const fullPlanOf = (passes: readonly Pass[], qemu: Qemu): readonly PlannedPass[] =>
  planAll(passes, qemu, () => true);

const planAll = (
  passes: readonly Pass[],
  qemu: Qemu,
  isKept: (planned: { readonly cases: readonly unknown[] }) => boolean,
): PlannedPass[] => {
  const of = <Here>(rules: readonly RuleAbout<Here>[] = []): Planned<Here>[] =>
    rules.map((rule) => plan(rule, qemu)).filter(isKept);
  return passes.map(({ copiesMemory = false, disk, vm, other, device, unprepared, container }) => ({
    copiesMemory,
    concernsDevices: (other ?? device ?? unprepared) !== undefined,
    disk: of(disk),
    vm: of(vm),
    other: of(other),
    device: of(device),
    untranslated: of(device?.filter(({ behindViommu }) => !behindViommu)),
    plugged: of(device?.filter(({ effect }) => effect === 'start-failure')),
    unprepared: of(unprepared),
    container: of(container),
  }));
};

function plan<Here>(rule: RuleAbout<Here>, qemu: Qemu): Planned<Here> {
  const about = rule as Rule;
  const isRare = rule.modes === 'cpr-transfer';
  if (rule.behaviour === undefined) return { rule: about, behaviour: null, cases: [rule.always], isRare };
  const behaviour: Fact<string> = qemu[rule.behaviour];
  const cases = rule.cases as Readonly<Record<string, Case<Here>>>;
  return { rule: about, behaviour, cases: behaviour.known ? [cases[behaviour.value]] : Object.values(cases), isRare };
}
