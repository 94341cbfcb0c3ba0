import * as z from 'zod';
import { guestEvents } from '../descriptor/migration.ts';
import { efforts } from '../evaluation/changes/edit.ts';
import { changeKinds } from '../evaluation/changes/index.ts';
import { OLDEST_QEMU, qemuBehaviours } from '../platform/qemu.ts';
import { qemuSeries, rangesOf, releasesOf } from '../platform/releases.ts';
import { parseVersion, type Release, type Version } from '../platform/version.ts';
import { type CatalogueRule, catalogue, recognise } from '../rules/recognise.ts';
import { phaseOf, phases } from '../rules/finding.ts';
import { type Case, effects, layers } from '../rules/rule.ts';
import type { BehaviourName } from '../simulator/index.ts';

/** The one source of the catalogue's type and of its JSON Schema. */

export const release = z.string().regex(/^\d+\.\d+$/);

export const releases = z
  .strictObject({
    since: release.describe('Inclusive.'),
    until: release.optional().describe('Exclusive; absent: the newest that is known and later ones.'),
  })
  .meta({ id: 'Releases', description: 'Release series of QEMU, such as 10.2.' });

const said = {
  value: z.string().optional().describe('Of the behaviour by which QEMUs differ here; absent where they do not.'),
  versions: releases.nullable().describe('QEMUs that say so; null: a patch that no release carried.'),
};

/** By the device's `enable-migration`, if that matters. */
const byProperty = <const Values extends readonly string[]>(values: Values) =>
  z
    .strictObject({ auto: z.enum(values), on: z.enum(values) })
    .describe('By the device’s enable-migration; twice the same where that does not matter.');

const summary = {
  id: z.string(),
  link: z.string(),
  title: z.string(),
  subject: z.string().describe('The first word of the id.'),
  layer: z.enum(layers).describe('Who refuses.'),
  effect: byProperty(effects),
  when: byProperty(phases),
  trigger: z.enum(guestEvents).optional().describe('What must happen for a hazard to come true.'),
  versions: z
    .array(releases)
    .optional()
    .describe('QEMUs in which it can fire; absent of a rule that is known by its lines only.'),
  liftedBy: z.array(z.string()).describe('Changes that an operator can make, by id.'),
};

/** Why a rule is there, and what lifts it, in words. */
const explained = {
  why: z.string(),
  changes: z
    .array(
      z.strictObject({
        id: z.string(),
        effort: z.enum(efforts),
        how: z.string().describe('The libvirt XML, QEMU option or command; names in braces for what the VM decides.'),
        cost: z.string().optional().describe('What it costs the guest, or its operator.'),
      }),
    )
    .describe('What lifts it, as in liftedBy.'),
};

const match = z
  .strictObject({
    template: z.string().describe('The words, with names in braces for what differs.'),
    parameters: z.record(z.string(), z.string()).describe('What stands in the line for each name, as it stands there.'),
    said: z.array(z.strictObject(said)).describe('Which QEMU says so; empty for words that go with no value.'),
  })
  .meta({ id: 'RuleMatch', description: 'A place where the line has words of the rule.' });

export const ruleList = z
  .strictObject({ rules: z.array(z.strictObject(summary).meta({ id: 'RuleSummary' })) })
  .meta({ id: 'RuleList' });

export const recognisedRules = z
  .strictObject({
    rules: z.array(
      z.strictObject({ ...summary, ...explained, matches: z.array(match) }).meta({ id: 'RecognisedRule' }),
    ),
  })
  .meta({ id: 'RecognisedRules', description: 'The rules whose words a line has, the best fit first.' });

export const ruleDoc = z
  .strictObject({
    ...summary,
    ...explained,
    behaviour: z.string().optional().describe('By which QEMUs differ here; a host may override it.'),
    messages: z
      .array(
        z.strictObject({
          ...said,
          message: z.string().nullable().describe('null: QEMU says nothing.'),
          migrateMessage: z.string().optional().describe('What migrate says instead.'),
          onlyMigratableMessage: z.string().optional().describe('What QEMU says instead with -only-migratable.'),
        }),
      )
      .describe('What each QEMU says that has the rule.'),
    wordings: z.array(z.string()).describe('Other lines that logs carry for it.'),
    confidence: z.enum(['confirmed', 'inferred']),
    sources: z.array(z.string()),
  })
  .meta({ id: 'RuleDoc', description: 'What a rule is about, who says it in which words, and what lifts it.' });

export type RuleDoc = z.infer<typeof ruleDoc>;
export type RuleSummary = z.infer<typeof ruleList>['rules'][number];
export type RecognisedRule = z.infer<typeof recognisedRules>['rules'][number];
type Match = RecognisedRule['matches'][number];
type Said = Match['said'][number];
type Messages = Omit<RuleDoc['messages'][number], keyof Said>;

/** Every rule, in QEMU's order of evaluation where there is one. */
export const ruleSummaries: readonly RuleSummary[] = catalogue.map(summaryOf);

/** The rule called `id`; `undefined` if there is none. */
export function ruleDocOf(id: string): RuleDoc | undefined {
  const rule = catalogue.find((each) => each.id === id);
  if (!rule) return undefined;
  const { behaviour, cases, wordings, source } = rule;
  return {
    ...summaryOf(rule),
    ...explanationOf(rule),
    ...(behaviour && { behaviour }),
    messages: Object.entries(cases).flatMap(([value, each]) =>
      each ? [{ ...saidBy(rule, value), ...messagesOf(each) }] : [],
    ),
    wordings: [...wordings],
    confidence: source.confidence,
    sources: [...source.read],
  };
}

/** The rules whose words are in `line`, the best fit first, each with the places where they are. */
export function rulesIn(line: string): RecognisedRule[] {
  const matches = new Map<CatalogueRule, Match[]>();
  for (const { rule, values, template, parameters } of recognise(line)) {
    const found = { template, parameters, said: values.map((value) => saidBy(rule, value)) };
    matches.set(rule, [...(matches.get(rule) ?? []), found]);
  }
  return [...matches].map(([rule, found]) => ({ ...summaryOf(rule), ...explanationOf(rule), matches: found }));
}

const explanationOf = ({ why, liftedBy }: CatalogueRule): Pick<RuleDoc, 'why' | 'changes'> => ({
  why,
  changes: liftedBy.map((id) => {
    const { effort, how, cost } = changeKinds[id];
    return { id, effort, how, ...(cost !== undefined && { cost }) };
  }),
});

const messagesOf = ({ message, migrateMessage, onlyMigratableMessage }: Case<never>): Messages => ({
  message,
  ...(migrateMessage !== undefined && { migrateMessage }),
  ...(onlyMigratableMessage !== undefined && { onlyMigratableMessage }),
});

function summaryOf(rule: CatalogueRule): RuleSummary {
  const { id, title, layer, trigger, behaviour, cases, liftedBy } = rule;
  const effect = typeof rule.effect === 'string' ? { auto: rule.effect, on: rule.effect } : { ...rule.effect };
  const versions = behaviour ? rangesOf(seriesWith(behaviour, Object.keys(cases))) : [{ since: OLDEST_QEMU }];
  return {
    id,
    link: `/v1/rules/${id}`,
    title,
    subject: id.slice(0, id.indexOf('-')),
    layer,
    effect,
    when: { auto: phaseOf({ effect: effect.auto, rule }), on: phaseOf({ effect: effect.on, rule }) },
    ...(trigger && { trigger }),
    ...(Object.keys(cases).length > 0 && { versions }),
    liftedBy: [...liftedBy],
  };
}

/** The QEMUs whose `behaviour` has one of `values`. */
function seriesWith(behaviour: BehaviourName, values: readonly string[]): Set<Release> {
  const valueOf = (series: Release): string | undefined => qemuBehaviours(parseVersion(series) as Version)?.[behaviour];
  return new Set(qemuSeries.filter((series) => values.includes(valueOf(series) ?? '')));
}

const saidBy = ({ behaviour }: CatalogueRule, value: string): Said =>
  behaviour ? { value, versions: releasesOf(behaviour, value) } : { versions: { since: OLDEST_QEMU } };
