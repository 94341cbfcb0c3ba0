import { member, type Pointer, tokens, valueAt, withValues } from '../descriptor/pointer.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { SitePolicy } from '../policy/site-policy.ts';
import { type Change, changes as allChanges } from '../rules/change.ts';
import { counts, type Finding, isRefusal, isUndecided } from '../rules/finding.ts';
import { fill } from '../rules/words.ts';
import { type Concern, type Edit, efforts, withoutHoles } from './changes/edit.ts';
import { changeKinds } from './changes/index.ts';
import { Completions } from './completions.ts';
import type { Decision } from './decision.ts';
import { Trials } from './trials.ts';
import { type KnownVerdict, type Verdict, verdicts } from './verdict.ts';

type Remedy = NonNullable<Decision['remedies']>[number];

/** Changes that one remedy may consist of. */
const CHANGES_MAX = 3;

/** What finding out may cost whether the facts that are still missing matter to one set of changes. */
const COMPLETIONS_MAX = 50;

/** Remedies that a decision lists. */
const REMEDIES_MAX = 8;

/** `decision` on `descriptor` with what would improve its verdict. */
export function withRemedies(descriptor: Descriptor, decision: Decision, policy: SitePolicy | null = null): Decision {
  const trials = new Trials(policy);
  const remedies = decision.verdict === 'allowed' ? [] : remediesOf(descriptor, decision.verdict, trials);
  const incomplete = 'too much can be changed to try every set of changes: there may be other remedies';
  const assumptions = trials.isSpent ? [...decision.assumptions, incomplete] : decision.assumptions;
  return { ...decision, assumptions, remedies };
}

/** The changes that lift `finding` of `descriptor`, so far as they are not made already. */
export function liftable(descriptor: Descriptor, finding: Finding): Change[] {
  if (finding.outcome === 'clear' || finding.rule.liftedBy.length === 0) return [];
  const concern = concernOf([finding], descriptor);
  return finding.rule.liftedBy.filter((change) => {
    const { edits } = changeKinds[change];
    if (edits) return edits(concern).length > 0;
    return change !== 'other-destination' || finding.host === 'destination';
  });
}

/** The edits of each change of a set. */
type Chosen = ReadonlyMap<Change, readonly Edit[]>;

/** A descriptor after some changes, and what the rules find in it. */
interface State {
  readonly chosen: Chosen;
  /** With a hole for each device that is gone, so that places are those of the descriptor that was asked about. */
  readonly holed: Descriptor;
  readonly findings: readonly Finding[];
  /** `null` where it rests on what is not known. */
  readonly verdict: KnownVerdict | null;
}

/**
 * The minimal sets of at most {@link CHANGES_MAX} changes that were made, judged again, and found to have a better
 * verdict than `verdict`; least effort first.
 *
 * Each refusal must be lifted, or else each hazard; so the search takes the one that the fewest changes lift, makes each
 * of them and goes on from there (Reiter's hitting-set tree). What is found after a change may list further ones. No
 * remedy makes reachable a loss of data that was not reachable before.
 */
function remediesOf(descriptor: Descriptor, verdict: Verdict, trials: Trials): Remedy[] {
  const states = new Map<string, State>();
  const unforeseen: Finding[] = [];
  const make = (chosen: Chosen): State | null => {
    const edits = editsOf(chosen);
    const key = keyOf(edits);
    const known = states.get(key);
    if (known) return known;
    const holed = withValues(descriptor, edits);
    const changed = startedAnew(withoutHoles(holed), chosen);
    const judged = trials.judge(changed);
    if (!judged) return null;
    const kept = unforeseen.filter(({ rule }) => !rule.liftedBy.some((change) => chosen.has(change)));
    const findings = [...judged, ...kept];
    const state = {
      chosen,
      holed,
      findings,
      verdict: new Completions(changed, findings, trials.within(COMPLETIONS_MAX)).verdict(),
    };
    states.set(key, state);
    return state;
  };
  const start = make(new Map());
  if (!start) return [];
  // What QEMU reports and no rule foresees, none of our predictions can lift.
  unforeseen.push(...start.findings.filter(({ outcome, seen }) => outcome === 'contradicted' && seen));
  const losses = lossesIn(start);
  const isRemedy = (state: State): boolean =>
    isBetter(state.verdict, verdict) && [...lossesIn(state)].every((loss) => losses.has(loss));
  /** What `chosen` comes to, if that is no worse than `as`. */
  const asGood = (chosen: Chosen, as: State): State | null => {
    const state = make(chosen);
    return state && isRemedy(state) && rank(state.verdict) <= rank(as.verdict) ? state : null;
  };

  const found = new Set<State>();
  const reached = new Set([start]);
  for (const state of reached) {
    if (isRemedy(state)) found.add(leastSubset(state, asGood));
    for (const chosen of nextOf(state, losses)) {
      const next = make(chosen);
      if (next) reached.add(next);
    }
  }
  return [...found]
    .filter(
      (state, index, all) => !all.some((other, at) => covers(other, state) && !(covers(state, other) && at >= index)),
    )
    .toSorted(byEffort)
    .slice(0, REMEDIES_MAX)
    .map((state) => remedyOf(withoutNeedless(state, asGood), descriptor));
}

const rank = (verdict: KnownVerdict | null): number => (verdict ? verdicts.indexOf(verdict) : verdicts.length);

/** Only acceptance is: from an unknown verdict for certain, and a refusal mends nothing. */
const isBetter = (verdict: KnownVerdict | null, than: Verdict): boolean =>
  (verdict === 'allowed' || verdict === 'risky') && (than === 'unknown' || rank(verdict) < rank(than));

const keyOf = (edits: readonly Edit[]): string =>
  edits
    .map(({ pointer, to }) => `${pointer} ${JSON.stringify(to)}`)
    .toSorted()
    .join('\n');

const isOpen = (finding: Finding): boolean => counts(finding) || isUndecided(finding);

/** The losses of data that a state does not rule out. None can happen where something may refuse the migration before. */
function lossesIn({ findings, verdict }: Pick<State, 'findings' | 'verdict'>): Set<string> {
  const open = findings.filter(isOpen);
  // Where it is known that nothing refuses, what seems to be open does not either.
  const mayRefuse = (verdict === null || verdict === 'blocked') && open.some(isRefusal);
  const losses = open.filter(({ effect, rule }) => effect === 'data-loss' && !(mayRefuse && !rule.withoutMigration));
  return new Set(losses.map(lossOf));
}

const lossOf = ({ rule, host, device }: Finding): string => `${rule.id} ${host} ${device}`;

/** What can be made of `state` next, where one of some changes must be made for anything to get better. */
function nextOf(state: State, losses: ReadonlySet<string>): readonly Chosen[] {
  const open = state.findings.filter((finding) => isOpen(finding) && finding.effect !== 'warning');
  const lost = open.filter(({ effect }) => effect === 'data-loss');
  const obstacles = [
    open.filter(isRefusal),
    lost.filter((finding) => finding.rule.trigger === undefined || !losses.has(lossOf(finding))),
    open,
  ].find(({ length }) => length > 0);
  const options = optionsOf(state);
  const choices = (obstacles ?? []).map(({ rule }) => rule.liftedBy.flatMap((change) => options.get(change) ?? []));
  return choices.toSorted((a, b) => a.length - b.length)[0] ?? [];
}

/** The changes that can be added to those of `state`, each made of everything whose findings list it. */
function optionsOf({ chosen, holed, findings }: State): Map<Change, Chosen> {
  const listing = new Map<Change, Finding[]>();
  for (const finding of findings.filter(isOpen)) {
    for (const change of finding.rule.liftedBy) {
      const list = listing.get(change);
      if (list) list.push(finding);
      else listing.set(change, [finding]);
    }
  }
  const options = new Map<Change, Chosen>();
  for (const [change, list] of listing) {
    const option =
      chosen.size < CHANGES_MAX || chosen.has(change) ? withChange(chosen, change, concernOf(list, holed)) : null;
    if (option) options.set(change, option);
  }
  return options;
}

/** `chosen` and `change`; `null` where that adds nothing, or where another change has set the same already. */
function withChange(chosen: Chosen, change: Change, concern: Concern): Chosen | null {
  const edits = changeKinds[change].edits?.(concern) ?? [];
  const others = [...chosen].flatMap(([other, made]) => (other === change ? [] : made));
  if (edits.length === 0 || overlap(edits, others)) return null;
  const set = new Set(edits.map(({ pointer }) => pointer));
  const kept = (chosen.get(change) ?? []).filter(({ pointer }) => !set.has(pointer));
  return new Map(chosen).set(change, [...kept, ...edits]);
}

/** Whether a place of `a` is one of `b`, or inside one, or around one. */
function overlap(a: readonly Edit[], b: readonly Edit[]): boolean {
  const isIn = (some: readonly Edit[], others: readonly Edit[]): boolean => {
    const places = new Set(some.map(({ pointer }) => pointer));
    return others.some(({ pointer }) => around(pointer).some((place) => places.has(place)));
  };
  return isIn(a, b) || isIn(b, a);
}

/** `pointer` and the pointers to what it is inside of. */
const around = (pointer: Pointer): Pointer[] =>
  tokens(pointer).map((_, depth, path) => path.slice(0, depth + 1).reduce(member, ''));

/** What `findings` are about in `descriptor`, which may have holes. What is found of no one device concerns all. */
function concernOf(findings: readonly Finding[], descriptor: Descriptor): Concern {
  const { vfio, otherDevices = [] } = descriptor.vm;
  const places = new Set(findings.flatMap(({ place }) => place ?? []));
  const isOfAll = findings.some(({ place, once }) => once || place === undefined);
  return {
    descriptor,
    devices: vfio.flatMap((_, index) => (isOfAll || places.has(`/vm/vfio/${index}`) ? [index] : [])),
    sides: [...new Set(findings.map(({ host }) => host))],
    items: [...places].map(originalIn(otherDevices)),
    rules: findings.map(({ rule }) => rule.id),
  };
}

/** Where something of a list with holes stands, by where it stands without them. */
function originalIn(holed: readonly unknown[]): (pointer: Pointer) => Pointer {
  const there = [...holed.keys()].filter((index) => holed[index] !== undefined);
  return (pointer) =>
    pointer.startsWith(OTHERS) ? `${OTHERS}${there[Number(pointer.slice(OTHERS.length))]}` : pointer;
}

const OTHERS = '/vm/otherDevices/';

/** Places that change while the VM runs on. */
const RUNS_ON =
  /^\/(?:destination|migration|vm\/runtime\/|vm\/otherDevices\/\d+$|vm\/vfio\/\d+\/unpluggedForMigration$)/;

/**
 * `descriptor` without what QEMU was seen to do before the changes: what `query-migrate` said, once anything of the VM is
 * another; and that it could start, once a device or the VM starts anew.
 */
function startedAnew(descriptor: Descriptor, chosen: Chosen): Descriptor {
  const { state: said, ...rest } = descriptor;
  const { blockedReasons, ...runtime } = descriptor.vm.runtime ?? {};
  // A QEMU that gave its reasons runs.
  const state = blockedReasons === undefined ? said : 'running';
  const places = editsOf(chosen).map(({ pointer }) => pointer);
  const isOther = places.some((place) => !/^\/(?:destination|migration)\//.test(place));
  if (!isOther || state === undefined) return descriptor;
  const runsOn = places.every((place) => RUNS_ON.test(place));
  return {
    ...rest,
    ...(runsOn && { state }),
    vm: { ...descriptor.vm, ...(descriptor.vm.runtime && { runtime }) },
  };
}

type AsGood = (chosen: Chosen, as: State) => State | null;

/** A set of changes of `state` that does as well as all of them, of which no part does. */
function leastSubset(state: State, asGood: AsGood): State {
  const entries = [...state.chosen];
  // Counting up, each set comes after its parts.
  for (let bits = 1; bits < 2 ** entries.length - 1; bits++) {
    const less = asGood(new Map(entries.filter((_, index) => (bits >> index) % 2 === 1)), state);
    if (less) return less;
  }
  return state;
}

/** Whether `a` changes nothing that `b` does not, and comes to no less. */
function covers(a: State, b: State): boolean {
  const places = new Set(editsOf(b.chosen).map(({ pointer }) => pointer));
  return rank(a.verdict) <= rank(b.verdict) && editsOf(a.chosen).every(({ pointer }) => places.has(pointer));
}

const effortsOf = ({ chosen }: State): number[] =>
  [...chosen.keys()].map((change) => efforts.indexOf(changeKinds[change].effort));

/** By the highest effort, then by their sum, then by number, then by verdict. */
function byEffort(a: State, b: State): number {
  const [ofA, ofB] = [effortsOf(a), effortsOf(b)];
  const sum = (all: readonly number[]): number => all.reduce((total, each) => total + each, 0);
  return (
    Math.max(...ofA) - Math.max(...ofB) ||
    sum(ofA) - sum(ofB) ||
    ofA.length - ofB.length ||
    rank(a.verdict) - rank(b.verdict)
  );
}

/** `state` without edits that it does as well without: what is found of all devices at once may concern fewer. */
function withoutNeedless(state: State, asGood: AsGood): State {
  const made = [...state.chosen].flatMap(([change, edits]) => edits.map((edit) => ({ change, edit })));
  const drop = (least: State, { change, edit }: (typeof made)[number]): State => {
    const left = (least.chosen.get(change) ?? []).filter((each) => each !== edit);
    return asGood(new Map(least.chosen).set(change, left), state) ?? least;
  };
  // Which of them is dropped first decides how many can be.
  const [first, second] = [made.reduce(drop, state), made.toReversed().reduce(drop, state)];
  return editsOf(first.chosen).length <= editsOf(second.chosen).length ? first : second;
}

const editsOf = (chosen: Chosen): Edit[] => [...chosen.values()].flat();

const byPlace = (a: Edit, b: Edit): number => a.pointer.localeCompare(b.pointer, 'en', { numeric: true });

function remedyOf({ chosen, verdict }: State, descriptor: Descriptor): Remedy {
  const inOrder = [...chosen].toSorted(([a], [b]) => allChanges.indexOf(a) - allChanges.indexOf(b));
  const highest = Math.max(...inOrder.map(([change]) => efforts.indexOf(changeKinds[change].effort)));
  return {
    changes: inOrder.flatMap(([id, edits]) => {
      const { how, cost } = changeKinds[id];
      return edits.toSorted(byPlace).map(({ pointer, to, words }) => ({
        id,
        pointer,
        from: valueAt(descriptor, pointer) ?? null,
        to: to ?? null,
        how: fill(how, words),
        ...(cost !== undefined && { cost }),
      }));
    }),
    effort: efforts[highest] as Remedy['effort'],
    verdict: verdict as KnownVerdict,
  };
}
