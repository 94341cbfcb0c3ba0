import { createHash } from 'node:crypto';
import { closest } from 'fastest-levenshtein';
import { check, type Fault } from '../descriptor/check.ts';
import { member, type Pointer } from '../descriptor/pointer.ts';
import { parseSize, type Size } from '../descriptor/quantities.ts';
import { DEVICES_MAX } from '../descriptor/schema.ts';
import type { Finding } from '../rules/finding.ts';
import { isRefusal } from '../rules/finding.ts';
import { catalogue } from '../rules/recognise.ts';
import { type Accepting, acceptanceIds, endOf, withAccepted } from './acceptances.ts';
import type { Mention } from './inspection.ts';
import { type Limit, limitIds, limitOf } from './limits.ts';
import type { AcceptanceContent, DefaultsContent, LimitContent, PolicyContent, RuleContent } from './schema.ts';
import { RuleFault, type SiteRule, siteRuleOf } from './site-rules.ts';
import type { Judged, SitePolicy } from './site-policy.ts';
import { Context } from './vocabulary.ts';

/** What is wrong with the content of a policy file, by pointer into it. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  readonly faults: readonly Fault[];

  constructor(faults: readonly Fault[]) {
    super(faults.map(({ pointer, detail }) => `${pointer}: ${detail}`).join('; '));
    this.faults = faults;
  }
}

/** A policy as it is in force at some moment. */
export interface PolicyInForce extends SitePolicy {
  /** When it is another, because an acceptance ends: milliseconds since the epoch; Infinity for never. */
  readonly changesAt: number;
}

/** Ids of what every policy may find; those of its own rules begin with `site-`. */
export const policyRuleIds: readonly string[] = [...limitIds, ...acceptanceIds];

/** Steps that one rule may take of the largest VM there can be, and all rules together. */
const [RULE_COST_MAX, COST_MAX] = [100_000, 1_000_000];

/** A policy file that is good. */
export class Policy {
  readonly content: PolicyContent;
  readonly #limits: readonly Limit[];
  readonly #rules: readonly SiteRule[];
  readonly #accepting: readonly Accepting[];
  readonly #mentions: readonly Mention[];

  /**
   * The policy that `content`, which has the shape of {@link PolicyContent}, says.
   * @throws PolicyError naming everything that is wrong with it.
   */
  constructor(content: PolicyContent) {
    const { limits = [], rules = [], accept = [], defaults = {} } = content;
    const mentions: Mention[] = [];
    const made = rulesOf(rules, (mention) => mentions.push(mention));
    const faults = [
      ...limits.flatMap(limitFaults),
      ...made.faults,
      ...accept.flatMap((each, index) => acceptanceFaults(each, index, rules)),
      ...defaultFaults(defaults),
    ];
    if (faults.length > 0) throw new PolicyError(faults);
    this.content = content;
    this.#limits = limits.map(limitOf);
    this.#rules = made.rules;
    this.#accepting = accept.map((each) => ({ content: each, end: endOf(each.until) ?? 0 }));
    this.#mentions = mentions;
  }

  /** What is in force at `moment`, in milliseconds since the epoch. */
  at(moment: number): PolicyInForce {
    const live = this.#accepting.filter(({ end }) => end > moment);
    const over = this.#accepting.filter(({ end }) => end <= moment);
    const [limits, rules] = [this.#limits, this.#rules];
    return {
      revision: revisionOf(this.content, over),
      changesAt: Math.min(Infinity, ...live.map(({ end }) => end)),
      heed: (findings, judged) => {
        const found = rules.length + limits.length === 0 ? findings : withSites(findings, judged, limits, rules);
        return withAccepted(found, judged.descriptor, live, over);
      },
      looksBehind: (this.content.rules ?? []).some(({ when }) => /\b(?:findings|fired)\b/.test(when)),
      valuesAt: (pointer) => valuesAt(pointer, this.#mentions),
    };
  }
}

/** `findings`, and what limits and rules find; later rules see what earlier ones found. */
function withSites(
  findings: readonly Finding[],
  { source, destination, includeClear = false }: Judged,
  limits: readonly Limit[],
  rules: readonly SiteRule[],
): Finding[] {
  const found = [...findings];
  for (const limit of limits) {
    const finding = limit(source);
    if (includeClear || finding.outcome !== 'clear') found.push(finding);
  }
  const context = new Context({ source, destination: destination ?? source, findings: found, includeClear });
  for (const { find } of rules) found.push(...find(context));
  return found;
}

/** Content and what of it has ended; not how it is written. */
function revisionOf(content: PolicyContent, over: readonly Accepting[]): string {
  const text = JSON.stringify([content, over.map((each) => each.content)], (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

/** Versions that the rules tell apart, and those next to them. */
function valuesAt(pointer: Pointer, mentions: readonly Mention[]): readonly string[] {
  const [, field] = /^\/(?:source|destination)\/(qemu|kernel)$/.exec(pointer) ?? [];
  return [...new Set(mentions.filter((each) => each.field === field).flatMap(({ release }) => release.around))];
}

function rulesOf(
  contents: readonly RuleContent[],
  mentions: (mention: Mention) => void,
): { readonly rules: readonly SiteRule[]; readonly faults: readonly Fault[] } {
  const known = new Set([...catalogue.map(({ id }) => id), ...limitIds]);
  const rules: SiteRule[] = [];
  const faults: Fault[] = [];
  let total = 0;
  for (const [index, content] of contents.entries()) {
    const at = member('/rules', index);
    if (known.has(content.id)) faults.push({ pointer: `${at}/id`, detail: 'an earlier rule has this id' });
    try {
      const rule = siteRuleOf(content, known, mentions);
      const cost = rule.cost * (content.each === undefined || content.each === 'vm' ? 1 : DEVICES_MAX);
      total += cost;
      const most = cost > RULE_COST_MAX ? RULE_COST_MAX : total > COST_MAX ? COST_MAX : null;
      if (most !== null)
        faults.push({ pointer: `${at}/when`, detail: costWords(most === COST_MAX ? total : cost, most) });
      rules.push(rule);
    } catch (error) {
      if (!(error instanceof RuleFault)) throw error;
      faults.push({ pointer: `${at}/${error.member}`, detail: error.message });
    }
    known.add(content.id);
  }
  return { rules, faults };
}

const costWords = (cost: number, most: number): string =>
  `${most === COST_MAX ? 'with this the rules' : 'it'} may take ${cost} steps of a VM with ${DEVICES_MAX} devices; ${most} are allowed`;

function limitFaults(limit: LimitContent, index: number): Fault[] {
  const at = member('/limits', index);
  const bytes = (name: string, size: Size, least: bigint): Fault[] => {
    const value = parseSize(size);
    if (value === null) return [{ pointer: `${at}/${name}`, detail: 'is more than 2^64 - 1 bytes' }];
    return value < least ? [{ pointer: `${at}/${name}`, detail: 'must be more than nothing' }] : [];
  };
  if (limit.figure === 'downtimeMs') return bytes('bandwidth', limit.bandwidth, 1n);
  return limit.figure === 'unmapCalls' ? [] : bytes('most', limit.most, 0n);
}

function acceptanceFaults(
  { rule: id, trigger, until }: AcceptanceContent,
  index: number,
  siteRules: readonly RuleContent[],
): Fault[] {
  const at = member('/accept', index);
  const faults: Fault[] = [];
  if (id === undefined && trigger === undefined) {
    faults.push({ pointer: at, detail: 'must name a rule, or a trigger, or both' });
  }
  if (endOf(until) === null) faults.push({ pointer: `${at}/until`, detail: 'there is no such day or time' });
  if (id === undefined) return faults;
  const rule = catalogue.find((each) => each.id === id);
  if (!rule) {
    const known = [...catalogue.map((each) => each.id), ...limitIds, ...siteRules.map((each) => each.id)];
    if (!known.includes(id)) {
      faults.push({
        pointer: `${at}/rule`,
        detail: `there is no rule "${id}"; the nearest is "${closest(id, known)}"`,
      });
    }
  } else if (trigger !== undefined && rule.trigger !== trigger) {
    faults.push({
      pointer: `${at}/trigger`,
      detail: `${id} waits for ${rule.trigger ?? 'nothing'}, not for ${trigger}`,
    });
  } else if (effectsOf(rule.effect).every((effect) => isRefusal({ effect, rule }))) {
    faults.push({ pointer: `${at}/rule`, detail: `QEMU refuses over ${id}, which cannot be accepted away` });
  }
  return faults;
}

const effectsOf = (effect: (typeof catalogue)[number]['effect']) =>
  typeof effect === 'string' ? [effect] : Object.values(effect);

function* defaultFaults({ source, destination, hosts = {} }: DefaultsContent): Generator<Fault> {
  const profiles = Object.entries(hosts).map(([name, host]) => [member('/defaults/hosts', name), host] as const);
  for (const [at, host] of [
    ['/defaults/source', source] as const,
    ['/defaults/destination', destination] as const,
    ...profiles,
  ]) {
    if (host === undefined) continue;
    const vfio = Object.keys(host.devices ?? {}).map((id) => ({ id }));
    for (const { pointer, detail } of check({ vm: { memory: 1, vfio }, source: host })) {
      yield { pointer: `${at}${pointer.slice('/source'.length)}`, detail };
    }
  }
}
