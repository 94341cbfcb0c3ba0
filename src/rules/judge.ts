import type { Container } from '../descriptor/container.ts';
import type { Device } from '../descriptor/device.ts';
import {
  all,
  choose,
  constant,
  type Fact,
  is,
  isFalse,
  isTrue,
  type Known,
  map,
  no,
  not,
  type Truth,
  unknownOf,
  yes,
} from '../descriptor/fact.ts';
import type { Pointer } from '../descriptor/pointer.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import { contradictedByReasons, contradictedByRunning } from './contradictions.ts';
import type { Finding, FindingRule, Subject } from './finding.ts';
import { passes, startPasses } from './index.ts';
import { fullPlanOf, type Planned, type PlannedPass, planOf, planOfAsked } from './plan.ts';
import { type Case, type DeviceHere, type Effect, effects, type OtherHere, type Rule } from './rule.ts';
import { asSaid } from './shadows.ts';
import { fill, onlyMigratableError, realizeError, warning } from './words.ts';

/**
 * Everything that the rules find in `scenario`, in the order in which QEMU comes to it, with what it would say and where.
 * Rules that do not fire are left out unless `includeClear`.
 */
export const judge = (scenario: Scenario, includeClear = false): Finding[] =>
  asSaid(heedQemu(findingsOf(scenario, includeClear, null), scenario));

/** As {@link judge}, but for what QEMU never comes to say, and where it is read: all that a verdict takes. */
export const findingsIn = (scenario: Scenario): Finding[] => heedQemu(findingsOf(scenario, false, null), scenario);

/**
 * {@link findingsIn} of `scenario`, if `before` was found on this side of one that differs in that less of it was known:
 * what was found or ruled out then stays so, and rules that lacked something are asked again. Not for a QEMU that gave its
 * reasons, which are heeded with regard to all that is found.
 */
export function findingsSince(before: readonly Finding[], scenario: Scenario): Finding[] {
  const open = new Set(before.filter(({ outcome }) => outcome === 'unknown').map(({ rule }) => rule));
  const kept = before.filter(({ rule }) => !open.has(rule));
  return [...kept, ...heedStart(findingsOf(scenario, false, open), scenario)];
}

/** What the rules find before QEMU itself is heard, or of them those that are `asked`. */
function findingsOf(scenario: Scenario, includeClear: boolean, asked: ReadonlySet<FindingRule> | null): Finding[] {
  // What can go wrong while migration runs happens on the source.
  const judged = scenario.side === 'source' ? passes : startPasses;
  const { qemu } = scenario.host;
  const plan = asked ? planOfAsked(judged, qemu, asked) : (includeClear ? fullPlanOf : planOf)(judged, qemu);
  const found = new Findings(includeClear);
  const components = componentsOf(scenario, plan);
  const containers = scenario.containers.map((container) => ({ ...scenario, container }));
  const disks = scenario.disks.map((disk) => ({ ...scenario, disk }));
  const isStill = scenario.migration.mode.value !== 'normal';
  for (const pass of plan) {
    if (pass.copiesMemory && isStill) continue;
    if (pass.disk.length > 0) for (const here of disks) found.addAll(pass.disk, here, here.disk, null);
    found.addAll(pass.vm, scenario, undefined, null);
    if (pass.concernsDevices) for (const component of components) judgeComponent(component, pass, scenario, found);
    if (pass.container.length > 0) {
      for (const here of containers) found.addAll(pass.container, here, onlyDeviceOf(here.container), null);
    }
  }
  return found.inOrder();
}

/** `findings`, as the QEMU of a VM that runs was seen to say it. */
function heedQemu(findings: Finding[], scenario: Scenario): Finding[] {
  const { blockedReasons } = scenario.vm;
  const predicted = heedStart(findings, scenario);
  return scenario.side === 'source' && blockedReasons
    ? contradictedByReasons(predicted, blockedReasons, scenario)
    : predicted;
}

/** `findings`, of which those that keep a VM from starting did not if it runs; a QEMU that gave reasons had started. */
function heedStart(findings: Finding[], { side, vm: { isRunning, blockedReasons } }: Scenario): Finding[] {
  return side === 'source' && (isRunning || blockedReasons) ? contradictedByRunning(findings) : findings;
}

/** The one device of `container`, if it has but one. */
const onlyDeviceOf = ({ devices }: Container): Device | undefined => (devices.length > 1 ? undefined : devices[0]);

/** A VFIO device and what its rules look at, or another device, which few rules are about. */
type Component = DeviceHere | Pick<OtherHere, 'other'>;

/**
 * The devices that rules of `plan` are about, in the order in which QEMU realizes them: by place on the command line, or the
 * VFIO devices last.
 */
function componentsOf(scenario: Scenario, plan: readonly PlannedPass[]): readonly Component[] {
  const { devices, containers, containersBefore } = scenario;
  const others = plan.some(({ other }) => other.length > 0) ? scenario.others : [];
  const components: Component[] = others.map((other) => ({ other }));
  let [container] = containers;
  for (const device of devices) {
    const isThere = (each: Container): boolean => each.devices.includes(device);
    if (!container || !isThere(container)) container = containers.find(isThere) ?? containersBefore.find(isThere);
    if (container) components.push(deviceHere(scenario, device, container));
  }
  // VFIO devices are in that order already.
  if (others.length === 0) return components;
  const place = (component: Component): number =>
    'other' in component
      ? (component.other.position ?? -1)
      : (component.device.descriptor.position ?? Number.MAX_SAFE_INTEGER);
  return components.toSorted((a, b) => place(a) - place(b));
}

/** Spelt out: a spread costs as much as judging the device. */
function deviceHere(scenario: Scenario, device: Device, container: Container): DeviceHere {
  const { side, host, vm, migration, disks, others, devices, containers, containersBefore, needs, convergence } =
    scenario;
  return {
    side,
    host,
    vm,
    migration,
    disks,
    others,
    devices,
    containers,
    containersBefore,
    needs,
    convergence,
    device,
    container,
  };
}

function judgeComponent(component: Component, pass: PlannedPass, scenario: Scenario, found: Findings): void {
  if ('other' in component) {
    const { other } = component;
    const rules = pass.other.filter(({ rule }) => rule.isAbout?.(other.type));
    if (rules.length > 0) found.addAll(rules, { ...scenario, other }, other, null);
  } else {
    const { device } = component;
    found.addAll(rulesFor(device, pass), component, device, device);
  }
}

function rulesFor({ type, behindViommu, descriptor }: Device, pass: PlannedPass): readonly Planned<DeviceHere>[] {
  if (type !== 'vfio-pci' && type !== 'mdev') return pass.unprepared;
  if (descriptor.unpluggedForMigration === true) return pass.plugged;
  return isFalse(behindViommu) ? pass.untranslated : pass.device;
}

/** What was found so far. */
class Findings {
  readonly #includeClear: boolean;
  readonly #found: Finding[] = [];
  /** Devices whose state cannot be saved: QEMU lists the last that it realized first, after all blockers. */
  readonly #vmState: Finding[] = [];
  /** How many of what was found are said before migration starts. */
  #atStart = 0;
  readonly #said: string[] = [];

  constructor(includeClear: boolean) {
    this.#includeClear = includeClear;
  }

  addAll<Here extends Scenario>(
    rules: readonly Planned<Here>[],
    here: Here,
    subject: Subject | undefined,
    device: Device | null,
  ): void {
    for (const planned of rules) {
      const holds = truthOf(planned, here);
      if (isFalse(holds) && !this.#includeClear) continue;
      const finding = apply(planned, holds, here, subject, device, this.#includeClear);
      if (finding !== null) this.#add(finding);
    }
  }

  #add(finding: Finding): void {
    if (finding.once) {
      const key = `${finding.rule.id} ${finding.effect}`;
      if (this.#said.includes(key)) return;
      this.#said.push(key);
    }
    const { rule, effect, outcome } = finding;
    if (outcome === 'clear') this.#found.push(finding);
    // With -only-migratable QEMU ends as it realizes such a device.
    else if (rule.vmState && effect !== 'start-failure') this.#vmState.unshift(finding);
    else {
      this.#found.push(finding);
      if (effect === 'start-failure' || effect === 'blocker' || effect === 'warning')
        this.#atStart = this.#found.length;
    }
  }

  inOrder(): Finding[] {
    if (this.#vmState.length === 0) return this.#found;
    return this.#found.toSpliced(this.#atStart, 0, ...this.#vmState);
  }
}

/** Whether what the rule is about is so, before it is asked what comes of it. */
function truthOf<Here extends Scenario>({ behaviour, cases, isRare }: Planned<Here>, here: Here): Truth {
  if (isRare && !isCprTransfer(here)) return no;
  if (behaviour !== null && !behaviour.known) return inEveryCase(behaviour, cases, here);
  const [said] = cases;
  return said === undefined ? no : said.holds(here);
}

/** What a rule that `holds`, or may, says here; `null` when it is clear after all, unless that is to be listed. */
function apply<Here extends Scenario>(
  { rule, behaviour, cases }: Planned<Here>,
  holds: Truth,
  here: Here,
  subject: Subject | undefined,
  device: Device | null,
  includeClear: boolean,
): Finding | null {
  const [said] = cases;
  const truth = rule.trigger === undefined ? holds : all(holds, here.migration.mayHappen(rule.trigger));
  const effect = effectOf(rule, here, device);
  // Written out: spreads cost as much as the judging.
  const findingOf = (
    outcome: Finding['outcome'],
    { effect: reached, messages, once }: Consequence,
    lacks: readonly Pointer[] = NOTHING,
  ): Finding => ({
    rule,
    outcome,
    effect: reached,
    host: here.side,
    device: subject?.id,
    place: subject?.pointer,
    reportedBy: NOBODY,
    shadowedBy: undefined,
    messages,
    basis: outcome === 'unknown' ? no : basisOf(behaviour, truth),
    seen: false,
    once,
    inRealize: device !== null && !said?.outsideRealize,
    late: device !== null && said?.outsideRealize === true,
    lacks,
  });
  const isOfAnother = isOfAnotherMode(rule, effect, here, device);
  if (isFalse(truth) || isTrue(isOfAnother)) return includeClear ? findingOf('clear', CLEAR) : null;
  const open = unknownOf([truth, effect, isOfAnother]);
  if (open || !effect.known) {
    return findingOf('unknown', OPEN[effect.known ? behindDoor(rule, effect.value, here) : 'blocker'], open?.lacks);
  }
  return findingOf('fires', consequence(rule, effect.value, said, here, device));
}

/** What a truth rests on, the behaviour that it was asked for first. */
function basisOf(behaviour: Fact<string> | null, truth: Truth): Known<unknown> {
  const both = behaviour === null ? truth : choose(behaviour, () => truth);
  return both.known ? both : no;
}

/** The truth where it is not known which QEMU this is: false if no QEMU has the rule fire. */
function inEveryCase<Here>(
  behaviour: Extract<Fact<string>, { known: false }>,
  cases: readonly (Case<Here> | undefined)[],
  here: Here,
): Truth {
  const truths = cases.map((each) => each?.holds(here) ?? no);
  if (truths.every(isFalse)) return no;
  return unknownOf([behaviour, ...truths]) ?? behaviour;
}

function effectOf({ effect }: Rule, { host }: Scenario, device: Device | null): Fact<Effect> {
  if (typeof effect === 'string' || !device) return constant(typeof effect === 'string' ? effect : effect.auto);
  return choose(host.qemu.enableMigration, (property) =>
    property === 'boolean-off'
      ? constant(effect.auto)
      : map(device.enableMigration, (value) => (value === 'on' ? effect.on : effect.auto)),
  );
}

/**
 * Whether the rule adds a blocker, and not for the mode in which the VM is about to be migrated. A VFIO device's own
 * blockers are for mode normal once VFIO takes part in another; a snapshot is a migration of mode normal.
 */
function isOfAnotherMode(rule: Rule, effect: Fact<Effect>, here: Scenario, device: Device | null): Truth {
  if (!effect.known || effect.value !== 'blocker') return no;
  if (rule.modes === 'cpr-transfer') return isCprTransfer(here) ? no : yes;
  const mode = here.migration.mode.value;
  if (mode === 'normal' || mode === 'snapshot' || isTrue(here.vm.onlyMigratable)) return no;
  if (device === null || rule.vmState) return rule.modes === 'normal' ? yes : no;
  return not(is(here.host.qemu.cprModes, 'none'));
}

const isCprTransfer = ({ migration: { mode } }: Scenario): boolean =>
  mode.value === 'cpr-transfer' || mode.value === 'cpr-exec';

type Consequence = Pick<Finding, 'effect' | 'messages' | 'once'>;

const NOBODY: Finding['reportedBy'] = [];
const NOTHING: readonly Pointer[] = [];
const CLEAR: Consequence = { effect: 'warning', messages: {}, once: false };

/** What comes of a rule of which it is not known whether it fires. */
const OPEN = Object.fromEntries(
  effects.map((effect) => [effect, { effect, messages: {}, once: false }]),
) as unknown as Readonly<Record<Effect, Consequence>>;

/** Whether QEMU does not start over a blocker. */
const isFatal = (rule: Rule, effect: Effect, { vm }: Scenario): boolean =>
  effect === 'blocker' && !rule.whileRunning && isTrue(vm.onlyMigratable);

/** What `effect` comes to on its side: a blocker does not keep the VM from coming in to the destination, but from going on. */
const behindDoor = (rule: Rule, effect: Effect, here: Scenario): Effect =>
  here.side === 'destination' && effect === 'blocker' && !isFatal(rule, effect, here)
    ? (rule.atDestination ?? 'warning')
    : effect;

/** What comes of a rule that fires, and QEMU's words for it with its prefixes. */
function consequence<Here extends Scenario>(
  rule: Rule,
  effect: Effect,
  said: Case<Here> | undefined,
  here: Here,
  device: Device | null,
): Consequence {
  const isFatalBlocker = isFatal(rule, effect, here);
  const reached = isFatalBlocker ? 'start-failure' : behindDoor(rule, effect, here);
  const final = { effect: reached, once: said?.once === true };
  if (said?.message == null) return { ...final, messages: {} };
  const parameters = { ...(device && { device: device.name }), ...said.parameters?.(here) };
  const reason = fill(said.message, parameters);
  const inRealize = device && !said.outsideRealize && !said.beforeRealize;
  switch (effect) {
    case 'start-failure':
      return { ...final, messages: { start: inRealize ? realizeError(device.name, reason) : reason } };
    case 'blocker':
      if (isFatalBlocker) {
        if (said.onlyMigratableMessage !== undefined)
          return { ...final, messages: { start: fill(said.onlyMigratableMessage, parameters) } };
        const error = onlyMigratableError(reason);
        return { ...final, messages: { start: inRealize ? realizeError(device.name, error) : error } };
      }
      return {
        ...final,
        messages: {
          queryMigrate: reason,
          // On the destination nobody calls migrate.
          ...(here.side === 'source' && {
            migrate: said.migrateMessage ? fill(said.migrateMessage, parameters) : reason,
          }),
        },
      };
    case 'warning':
      return { ...final, messages: { start: warning(reason) } };
    case 'migration-failure':
    case 'data-loss':
    case 'no-convergence':
      return { ...final, messages: { migrate: reason } };
  }
}
