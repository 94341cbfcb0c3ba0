import type { Pointer } from '../descriptor/pointer.ts';
import { resolve } from '../descriptor/scenario.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { SitePolicy } from '../policy/site-policy.ts';
import { judge } from '../rules/judge.ts';
import { assumptionsOf } from './assumptions.ts';
import { decisionIdOf, ruleset } from './canonical.ts';
import { Completions } from './completions.ts';
import { conclusionOf } from './conclusion.ts';
import { containerCosts, vmCosts } from './costs.ts';
import { decided } from './decided-finding.ts';
import type { Decision } from './decision.ts';
import { outOfScope } from './scope.ts';
import { TOO_MUCH_UNKNOWN, Trials } from './trials.ts';
import { unknownsOf } from './unknowns.ts';

export interface Options {
  /** Whether rules that do not fire are listed too. */
  readonly includeClear?: boolean;
  /** What the importer of the descriptor saw and no rule reads. */
  readonly notChecked?: readonly string[];
  /** Members of the descriptor that the site says, not the caller. */
  readonly site?: ReadonlySet<Pointer>;
  /** Whether to look for what each value of a missing fact decides, where the verdict is unknown. Default: true. */
  readonly decides?: boolean;
  /** What the site says beyond QEMU. Default: nothing. */
  readonly policy?: SitePolicy | null;
}

/** Judges `descriptor`, which must have passed {@link check}: verdict, findings, unknowns and costs. Pure. */
export function evaluate(descriptor: Descriptor, options: Options = {}): Decision {
  const { includeClear = false, notChecked = [], site, decides = true, policy = null } = options;
  const source = resolve(descriptor, 'source');
  const destination = descriptor.destination ? resolve(descriptor, 'destination') : null;
  const judged = judge(source, includeClear);
  if (destination) judged.push(...judge(destination, includeClear));
  const listed = policy ? policy.heed(judged, { descriptor, source, destination, includeClear }) : judged;
  const findings = listed.filter(({ outcome }) => outcome !== 'clear');
  const trials = new Trials(policy);
  const completions = new Completions(descriptor, findings, trials);
  const conclusion = conclusionOf(findings, completions);
  return {
    ...(descriptor.ref !== undefined && { ref: descriptor.ref }),
    decisionId: decisionIdOf(descriptor, policy),
    ruleset,
    ...(policy && { policyRevision: policy.revision }),
    ...conclusion,
    findings: listed.map((finding) => decided(finding, descriptor, site)),
    unknowns: unknownsOf(findings, decides && conclusion.verdict === 'unknown', completions, trials),
    containers: source.containers.map(containerCosts),
    ...vmCosts(source),
    assumptions: [...assumptionsOf(source), ...(trials.isSpent ? [TOO_MUCH_UNKNOWN] : [])],
    scope: { notChecked: [...outOfScope(descriptor, source), ...notChecked] },
  };
}
