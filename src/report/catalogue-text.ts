import { releasesText } from '../platform/releases.ts';
import type { RecognisedRule, RuleDoc, RuleSummary } from './catalogue.ts';

type Said = RuleDoc['messages'][number];

/** All rules, a line each. */
export function rulesText(rules: readonly RuleSummary[]): string {
  const width = Math.max(...rules.map(({ id }) => id.length));
  return lines(
    rules.map((rule) => `${rule.id.padEnd(width)}  ${rule.title} (${eitherText(rule.effect)}; ${versionsText(rule)})`),
  );
}

/** A rule as a page. */
export function ruleText(rule: RuleDoc): string {
  const { id, title, why, behaviour, messages, wordings, confidence, sources } = rule;
  return lines([
    `${id}: ${title}`,
    '',
    why,
    '',
    ...factLines(rule),
    ...(behaviour === undefined ? [] : ['', `Goes by: ${behaviour}, which a host may override`]),
    ...(messages.length > 0 ? ['', 'What QEMU says:', ...messageLines(messages).map(indented)] : []),
    ...(wordings.length > 0 ? ['', 'Also in logs:', ...wordings.map(indented)] : []),
    '',
    `Rests on (${confidence}): ${sources.join('; ')}`,
  ]);
}

/** What a line was recognised as, or that it was not. */
export function recognisedText(rules: readonly RecognisedRule[]): string {
  if (rules.length === 0) return lines(['No rule has words of this line.']);
  return lines(
    rules.flatMap((rule, index) => [
      ...(index > 0 ? [''] : []),
      `${rule.id}: ${rule.title}`,
      ...rule.matches.flatMap(({ template, parameters, said }) => [
        indented(template),
        ...Object.entries(parameters).map(([name, text]) => indented(indented(`${name}: ${text}`))),
        ...said.map((each) => indented(indented(`said by ${whoText(each)}`))),
      ]),
      indented(rule.why),
      ...factLines(rule).map(indented),
      indented(`More: ${rule.link}`),
    ]),
  );
}

const factLines = (rule: RuleDoc | RecognisedRule): string[] => [
  `Who refuses: ${rule.layer}`,
  `Effect: ${eitherText(rule.effect)}`,
  ...(rule.trigger ? [`Needs: ${rule.trigger}`] : []),
  `When: ${eitherText(rule.when)}`,
  `Can fire in: ${versionsText(rule)}`,
  'Lifted by:',
  ...rule.changes.flatMap(({ id, effort, how, cost }) => [
    indented(`${id} (${effort}): ${how}`),
    ...(cost === undefined ? [] : [indented(indented(cost))]),
  ]),
];

const eitherText = ({ auto, on }: { readonly auto: string; readonly on: string }): string =>
  auto === on ? auto : `${auto}, with enable-migration=on ${on}`;

function versionsText({ versions }: RuleSummary): string {
  if (!versions) return 'not known which QEMU';
  return versions.length > 0 ? `QEMU ${versions.map(releasesText).join(', ')}` : 'a patched QEMU only';
}

/** The messages, each once, with all who say it. */
function messageLines(messages: readonly Said[]): string[] {
  const speakers = new Map<string, string[]>();
  for (const { message, migrateMessage, onlyMigratableMessage, ...who } of messages) {
    const text = [
      message ?? '(nothing)',
      ...(migrateMessage === undefined ? [] : [`as the error of migrate: ${migrateMessage}`]),
      ...(onlyMigratableMessage === undefined ? [] : [`with -only-migratable: ${onlyMigratableMessage}`]),
    ].join('\n  ');
    speakers.set(text, [...(speakers.get(text) ?? []), whoText(who)]);
  }
  return [...speakers].flatMap(([text, who]) => [
    ...text.split('\n'),
    ...who.map((each) => indented(`said by ${each}`)),
  ]);
}

const whoText = ({ value, versions }: Pick<Said, 'value' | 'versions'>): string =>
  `${versions ? `QEMU ${releasesText(versions)}` : 'a patched QEMU'}${value === undefined ? '' : ` (${value})`}`;

const indented = (line: string): string => `  ${line}`;

const lines = (all: readonly string[]): string => `${all.join('\n')}\n`;
