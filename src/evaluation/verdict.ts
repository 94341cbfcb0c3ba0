import { counts, type Finding, isUndecided, isRefusal } from '../rules/finding.ts';

/** From best to worst. */
export const verdicts = ['allowed', 'risky', 'blocked', 'unsafe'] as const;
export type KnownVerdict = (typeof verdicts)[number];
export type Verdict = KnownVerdict | 'unknown';

/** What made a verdict. */
export const causes = [
  'start-failure',
  'blocker',
  'migration-failure',
  'data-loss',
  'guest-event',
  'no-convergence',
  'site-policy',
  'missing-facts',
] as const;
export type Cause = (typeof causes)[number];

/** What a finding makes of the migration if it can be reached. */
function severity(finding: Finding): KnownVerdict {
  if (isRefusal(finding)) return 'blocked';
  if (finding.effect === 'warning') return 'allowed';
  return finding.effect === 'data-loss' && finding.rule.trigger === undefined ? 'unsafe' : 'risky';
}

const isWorse = (a: KnownVerdict, b: KnownVerdict): boolean => verdicts.indexOf(a) > verdicts.indexOf(b);

/**
 * The worst reachable finding: a refusal if there is one, since nothing behind it can happen, or else the worst hazard.
 * `null` when a finding that is not known could change that.
 */
export function settledVerdict(findings: readonly Finding[]): KnownVerdict | null {
  const fired = findings.filter(counts);
  const open = findings.filter(isUndecided);
  if (fired.some(isRefusal)) return 'blocked';
  if (open.some(isRefusal)) return null;
  const worst = worstOf(fired);
  return open.some((finding) => isWorse(severity(finding), worst)) ? null : worst;
}

/**
 * Every verdict that `findings` leave possible, and maybe some that no completion of what is missing has: each open
 * finding may fire or not, whatever becomes of the others. What is known stays so as more is known.
 */
export function attainableVerdicts(findings: readonly Finding[]): ReadonlySet<KnownVerdict> {
  const fired = findings.filter(counts);
  if (fired.some(isRefusal)) return new Set(['blocked']);
  const worst = worstOf(fired);
  const attainable = new Set([worst]);
  for (const finding of findings) {
    if (!isUndecided(finding)) continue;
    for (const each of severities(finding)) if (each === 'blocked' || isWorse(each, worst)) attainable.add(each);
  }
  return attainable;
}

/**
 * The open findings that decide whether one of `wanted` comes of `findings`: those that would make it so if they fired; or
 * all of them where what has fired makes it so already, unless one of the others refuses.
 */
export function decidingOf(findings: readonly Finding[], wanted: readonly KnownVerdict[]): Finding[] {
  const open = findings.filter(isUndecided);
  if (wanted.includes(worstOf(findings.filter(counts)))) return open;
  return open.filter((finding) => severities(finding).some((each) => wanted.includes(each)));
}

/** What an open finding may make of the migration: a limit that the site refuses over may turn out to be passed in part. */
const severities = (finding: Finding): readonly KnownVerdict[] =>
  finding.effect === 'site-refusal' ? ['risky', 'blocked'] : [severity(finding)];

const worstOf = (findings: readonly Finding[]): KnownVerdict =>
  findings.map(severity).reduce<KnownVerdict>((a, b) => (isWorse(b, a) ? b : a), 'allowed');

/**
 * The findings that a settled verdict rests on. Where it is the same whatever the missing facts are, without one finding
 * that decides it, those of which one or the other will.
 */
export function decisive(findings: readonly Finding[], verdict: KnownVerdict): Finding[] {
  if (verdict === 'allowed') return [];
  const severe = findings.filter((finding) => severity(finding) === verdict);
  const fired = severe.filter((finding) => counts(finding) && finding.shadowedBy === undefined);
  return fired.length > 0 ? fired : severe.filter(isUndecided);
}

/** What made the verdict that rests on `deciding`, each once, in the order of {@link causes}. */
export function causesOf(deciding: readonly Finding[]): Cause[] {
  const found = new Set(deciding.map(causeOf));
  return causes.filter((cause) => (found as ReadonlySet<string>).has(cause));
}

function causeOf({ effect, rule }: Finding): string {
  if (rule.layer === 'policy') return 'site-policy';
  return rule.trigger === undefined ? effect : 'guest-event';
}
