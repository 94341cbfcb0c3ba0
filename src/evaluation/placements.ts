import { check, deviceId } from '../descriptor/check.ts';
import type { Pointer } from '../descriptor/pointer.ts';
import { resolve, type Scenario } from '../descriptor/scenario.ts';
import type { Descriptor, HostDescriptor } from '../descriptor/schema.ts';
import type { SitePolicy } from '../policy/site-policy.ts';
import type { Finding } from '../rules/finding.ts';
import { judge } from '../rules/judge.ts';
import { ruleset } from './canonical.ts';
import { Completions } from './completions.ts';
import { type Conclusion, conclusionOf } from './conclusion.ts';
import { decided } from './decided-finding.ts';
import type { PlacementRequest, Placements } from './placements-schema.ts';
import { BUDGET, TOO_MUCH_UNKNOWN, Trials } from './trials.ts';
import type { Verdict } from './verdict.ts';

type Candidate = Placements['groups'][number]['candidates'][number];
type Faults = Placements['invalid'][number]['errors'];

/** The source, and what QEMU's rules find on it. */
interface Source {
  readonly scenario: Scenario;
  readonly findings: readonly Finding[];
}

/** What was found of a candidate. */
interface Judged {
  readonly descriptor: Descriptor;
  readonly conclusion: Conclusion;
  /** On the destination, or by the site. */
  readonly findings: readonly Finding[];
}

interface Group extends Judged {
  readonly candidates: Candidate[];
  /** Members that the site says, of the first candidate. */
  readonly site: ReadonlySet<Pointer> | undefined;
}

/** Members of the hosts that the site says, not the caller: of the source, and of each candidate as the destination. */
export interface Sites {
  readonly source: ReadonlySet<Pointer>;
  readonly candidates: readonly ReadonlySet<Pointer>[];
}

/** What the searches for all candidates may spend together: as much as for that many of which next to nothing is known. */
const SEARCHES = 50;

/** From best to worst; what may turn out to be accepted comes before what is refused. */
const order: readonly Verdict[] = ['allowed', 'risky', 'unknown', 'blocked', 'unsafe'];

/**
 * Judges the VM of `request`, which must have passed {@link check}, with each candidate for its destination, as
 * `evaluate` does. The source is judged once, and so are candidates that say the same. Yields after each candidate, so
 * that whoever runs it may do something else in between. Pure.
 */
export function* placementsOf(
  request: PlacementRequest,
  sites?: Sites,
  policy: SitePolicy | null = null,
): Generator<undefined, Placements> {
  const { ref, candidates, ...vm } = request;
  const scenario = resolve(vm, 'source');
  const source = { scenario, findings: judge(scenario) };
  const whole = new Trials(policy, SEARCHES * BUDGET);
  let isSpent = false;
  // By how a host was sent; what was read of it could be a thousand times as much as what is said of it.
  const known = new Map<string, Group | Faults>();
  const groups = new Map<string, Group>();
  const invalid: Placements['invalid'] = [];
  for (const [index, { ref: own, host }] of candidates.entries()) {
    const candidate = { index, ...(own !== undefined && { ref: own }) };
    const sent = JSON.stringify(host);
    const trials = whole.within(BUDGET);
    let place = known.get(sent);
    if (place === undefined) {
      const judged = judgeCandidate(vm, host, source, trials, policy);
      place = 'conclusion' in judged ? groupOf(judged, groups, sites?.candidates[index]) : judged;
      known.set(sent, place);
    }
    isSpent ||= trials.isSpent;
    if ('conclusion' in place) place.candidates.push(candidate);
    else {
      const errors = place.map(({ pointer, detail }) => ({ pointer: `/candidates/${index}/host${pointer}`, detail }));
      invalid.push({ ...candidate, errors });
    }
    yield;
  }
  // What would lift a finding on the source may depend on where the VM is to go: to the first that there is.
  const [to = { descriptor: vm }] = groups.values();
  const rank = ({ conclusion }: Group): number => order.indexOf(conclusion.verdict);
  return {
    ...(ref !== undefined && { ref }),
    ruleset,
    ...(policy && { policyRevision: policy.revision }),
    groups: [...groups.values()].toSorted((a, b) => rank(a) - rank(b)).map(shown),
    findings: ofQemu(vm, source, policy).map((finding) => decided(finding, to.descriptor, sites?.source)),
    assumptions: isSpent ? [TOO_MUCH_UNKNOWN] : [],
    invalid,
  };
}

/** The one of `groups` that `judged` belongs to, or else one of its own, of which the site says the members of `site`. */
function groupOf(judged: Judged, groups: Map<string, Group>, site: Group['site']): Group {
  const key = reasonsOf(judged);
  const group = groups.get(key) ?? { ...judged, candidates: [], site };
  groups.set(key, group);
  return group;
}

/** What is wrong with `host`, by pointer into it, or what comes of it as the destination. */
function judgeCandidate(
  vm: Descriptor,
  host: HostDescriptor,
  source: Source,
  trials: Trials,
  policy: SitePolicy | null,
): Judged | Faults {
  const faults = faultsOf(host, vm);
  if (faults.length > 0) return faults;
  const descriptor = { ...vm, destination: host };
  const destination = resolve(descriptor, 'destination');
  const found = [...source.findings, ...judge(destination)];
  const all = policy ? policy.heed(found, { descriptor, source: source.scenario, destination }) : found;
  // What the site finds may rest on both hosts.
  const findings = all.filter(({ host: on, rule }) => on === 'destination' || rule.layer === 'policy');
  return { descriptor, findings, conclusion: conclusionOf(all, new Completions(descriptor, all, trials)) };
}

/** What is found on the source whatever the destination, marked where the site accepts it. */
function ofQemu(vm: Descriptor, { scenario, findings }: Source, policy: SitePolicy | null): readonly Finding[] {
  const all = policy ? policy.heed(findings, { descriptor: vm, source: scenario, destination: null }) : findings;
  return all.filter(({ rule }) => rule.layer !== 'policy');
}

/** A host is checked against the ids of the VM's devices and nothing else of the VM, which was checked before. */
function faultsOf(host: HostDescriptor, { vm }: Descriptor): Faults {
  const vfio = vm.vfio.map((device, index) => ({ id: deviceId(device, index) }));
  const faults = check({ vm: { memory: 1, vfio }, source: {}, destination: host });
  return faults.map(({ pointer, detail }) => ({ pointer: pointer.slice('/destination'.length), detail }));
}

/** What candidates of one group have in common. Facts that are missing are a reason by themselves. */
const reasonsOf = ({ conclusion: { verdict, possible }, findings }: Judged): string =>
  JSON.stringify([
    verdict,
    possible,
    findings.map(({ rule, device, effect, outcome, shadowedBy, lacks }) => [
      rule.id,
      device,
      effect,
      outcome,
      shadowedBy,
      lacks,
    ]),
  ]);

const shown = ({ conclusion, candidates, findings, descriptor, site }: Group): Placements['groups'][number] => ({
  ...conclusion,
  candidates,
  findings: findings.map((finding) => decided(finding, descriptor, site)),
});
