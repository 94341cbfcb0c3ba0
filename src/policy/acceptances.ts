import { yes } from '../descriptor/fact.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { type Acceptance, counts, type Finding, isRefusal } from '../rules/finding.ts';
import type { AcceptanceContent } from './schema.ts';
import { siteFinding, siteRule } from './site-finding.ts';

/** What the site takes upon itself, and when that ends. */
export interface Accepting {
  readonly content: AcceptanceContent;
  /** Milliseconds since the epoch, exclusive. */
  readonly end: number;
}

const DAY_MS = 86_400_000;

/** When what is accepted until `until` ends, in milliseconds since the epoch, exclusive; `null` where there is no such day. */
export function endOf(until: string): number | null {
  const day = until.slice(0, 10);
  const begin = Date.parse(`${day}T00:00:00Z`);
  if (Number.isNaN(begin) || new Date(begin).toISOString().slice(0, 10) !== day) return null;
  const end = until === day ? begin + DAY_MS : Date.parse(until);
  return Number.isNaN(end) ? null : end;
}

const ended = siteRule('policy-acceptance-ended', 'An acceptance has ended');
const refused = siteRule('policy-acceptance-refused', 'QEMU’s refusal cannot be accepted');

/** Ids of what is found of acceptances themselves. */
export const acceptanceIds: readonly string[] = [ended.id, refused.id];

/**
 * `findings` of `descriptor`, those marked that one of `live` accepts; and warnings of acceptances that do not count: of
 * those `over`, and of those that QEMU's refusal does not heed.
 */
export function withAccepted(
  findings: readonly Finding[],
  { vm: { labels = {} } }: Descriptor,
  live: readonly Accepting[],
  over: readonly Accepting[],
): readonly Finding[] {
  const ofThisVm = ({ content }: Accepting): boolean =>
    Object.entries(content.labels ?? {}).every(([key, value]) => Object.hasOwn(labels, key) && labels[key] === value);
  const [mine, past] = [live.filter(ofThisVm), over.filter(ofThisVm)];
  if (mine.length === 0 && past.length === 0) return findings;
  const vain = new Map<Accepting, Finding>();
  const marked = findings.map((finding) => {
    if (finding.outcome === 'clear') return finding;
    const taken = mine.find(({ content }) => fits(content, finding));
    // What the site itself refuses it may also accept.
    const mayAccept = finding.rule.layer === 'policy' || !isRefusal(finding);
    if (taken && mayAccept) return { ...finding, accepted: acceptanceOf(taken.content) };
    const useless = taken ?? past.find(({ content }) => fits(content, finding));
    if (useless && counts(finding)) vain.set(useless, finding);
    return finding;
  });
  return [
    ...marked,
    ...[...vain].map(([{ content }, { rule }]) =>
      warningOf(
        content,
        rule.id,
        live.some((each) => each.content === content),
      ),
    ),
  ];
}

const fits = ({ rule, trigger, device }: AcceptanceContent, finding: Finding): boolean =>
  (rule === undefined || rule === finding.rule.id) &&
  (trigger === undefined || trigger === finding.rule.trigger) &&
  (device === undefined || device === finding.device);

const acceptanceOf = ({ by, why, until }: AcceptanceContent): Acceptance => ({ by, why, until });

const warningOf = ({ by, why, until }: AcceptanceContent, id: string, isLive: boolean): Finding =>
  siteFinding(isLive ? refused : ended, 'allowed', {
    message: isLive
      ? `${by} accepts ${id} (${why}), which QEMU refuses: that does not count`
      : `${by} accepted ${id} (${why}) until ${until}: it counts again`,
    basis: yes,
  });
