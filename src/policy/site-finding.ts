import { type Known, no } from '../descriptor/fact.ts';
import type { Pointer } from '../descriptor/pointer.ts';
import type { Change } from '../rules/change.ts';
import type { Finding, FindingRule, Subject } from '../rules/finding.ts';

/** What a policy file may make of what it finds. */
export type SiteVerdict = 'allowed' | 'risky' | 'blocked';

const effects: Readonly<Record<SiteVerdict, Finding['effect']>> = {
  allowed: 'warning',
  risky: 'site-risk',
  blocked: 'site-refusal',
};

/** A rule of the site, as findings tell of it. */
export const siteRule = (id: string, title: string, liftedBy: readonly Change[] = []): FindingRule => ({
  id,
  title,
  why: 'The site’s policy says so.',
  layer: 'policy',
  liftedBy,
  source: { confidence: 'confirmed', read: ['site policy'] },
});

/** What the policy comes to of one rule: that it fires, in the site's words, or what it lacks, or that it is clear. */
export type Outcome =
  | { readonly message: string; readonly basis: Known<unknown>; readonly held?: Finding['held'] }
  | { readonly lacks: readonly Pointer[] }
  | { readonly clear: Known<unknown> };

/** What the site finds, of the VM or of one of its devices. */
export const siteFinding = (rule: FindingRule, verdict: SiteVerdict, outcome: Outcome, subject?: Subject): Finding => ({
  rule,
  outcome: 'lacks' in outcome ? 'unknown' : 'clear' in outcome ? 'clear' : 'fires',
  effect: 'clear' in outcome ? 'warning' : effects[verdict],
  host: 'source',
  device: subject?.id,
  place: subject?.pointer,
  reportedBy: [],
  shadowedBy: undefined,
  messages: 'message' in outcome ? { site: outcome.message } : {},
  basis: 'lacks' in outcome ? no : 'clear' in outcome ? outcome.clear : outcome.basis,
  seen: false,
  once: false,
  inRealize: false,
  late: false,
  lacks: 'lacks' in outcome ? outcome.lacks : [],
  ...('held' in outcome && outcome.held && { held: outcome.held }),
});
