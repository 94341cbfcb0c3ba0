import type { BehaviourName } from '../simulator/index.ts';
import { logRules, rules } from './index.ts';
import { type Case, casesOf, type LogRule, type Rule } from './rule.ts';

/** A rule as it is seen from outside: one with conditions, or one that only logs tell of, which has no cases. */
export type CatalogueRule = Omit<LogRule, 'effect'> &
  Pick<Rule, 'effect'> & {
    readonly behaviour: BehaviourName | null;
    /** By value of the behaviour; `always` where there is none. */
    readonly cases: Readonly<Record<string, Case<never> | undefined>>;
  };

/** Every rule, in QEMU's order of evaluation where there is one; last those that only logs tell of. */
export const catalogue: readonly CatalogueRule[] = [
  ...rules.map((rule) => ({
    ...rule,
    behaviour: rule.behaviour ?? null,
    cases: casesOf(rule),
    wordings: rule.wordings ?? [],
  })),
  ...logRules.map((rule) => ({ ...rule, behaviour: null, cases: {} })),
];

/** What a line says of a rule. */
export interface Recognised {
  readonly rule: CatalogueRule;
  /** The cases whose words these are, by value of the rule's behaviour; none for words that go with no case. */
  readonly values: readonly string[];
  readonly template: string;
  /** What stands in the line for each name in the template's braces, as it stands there. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Characters of the longest line that {@link recognise} is made for. */
export const LINE_MAX = 8192;

/** Characters of the longest text of a parameter, which spans no two lines and no two reasons that libvirt joins. */
const PARAMETER_MAX = 256;

/** Letters and digits that a template must have of its own to be found by. */
const DISTINCTIVE = 10;

/**
 * The rules whose words are in `line`, a line of QEMU's, libvirt's or the kernel's log with whatever stands around the
 * words; what fits most of the line first, and once for each place where it fits. Where two templates claim the same
 * words, the one with more of its own has them; what a parameter holds may be words of another rule. Takes time linear
 * in the line.
 */
export function recognise(line: string): Recognised[] {
  // A QMP answer, as libvirt logs it, is JSON.
  const text = line.replaceAll(String.raw`\"`, '"');
  const matches = templates.flatMap((template) => [...occurrences(template, text)]);
  matches.sort((a, b) => b.weight - a.weight);
  const claims = new Uint32Array(text.length);
  return matches.flatMap(({ template, parameters, words, weight }) => {
    if (words.some(([from, to]) => claims.subarray(from, to).some((claim) => claim > weight))) return [];
    for (const [from, to] of words) claims.fill(weight, from, to);
    return speakersOf(template, parameters).map(({ rule, values }) => ({
      rule,
      values,
      template: template.text,
      parameters,
    }));
  });
}

/** Whose words these are: where rules share them and one is about the model that is named, that one's. */
function speakersOf({ said }: Template, parameters: Match['parameters']): Template['said'] {
  const texts = Object.values(parameters).join();
  const isNamed = (model: string): boolean => texts.includes(model);
  const named = said.filter(({ rule }) => rule.models?.some(isNamed));
  return named.length > 0 ? named : said.filter(({ rule }) => rule.models === undefined);
}

/** A template, cut at its parameters. */
interface Template {
  readonly text: string;
  /** Whose words these are. */
  readonly said: readonly { readonly rule: CatalogueRule; readonly values: readonly string[] }[];
  /** A parameter that the template begins with, and what divides it from the words. */
  readonly lead: { readonly name: string; readonly glue: string } | null;
  /** The words, with a parameter between each two; the last are empty where the template ends with a parameter. */
  readonly words: readonly string[];
  readonly names: readonly string[];
  /** Index of the longest of the words, by which the template is looked for. */
  readonly anchor: number;
}

/** A place where a template fits. */
interface Match {
  readonly template: Template;
  readonly parameters: Readonly<Record<string, string>>;
  /** Where the template's own words are in the line, the end exclusive. */
  readonly words: readonly (readonly [from: number, to: number])[];
  /** Characters of the template's own that are in the line. */
  readonly weight: number;
  readonly end: number;
}

function compile(text: string, said: Template['said']): Template {
  const [begun = '', name, glue] = /^\{(\w+)\}([^\w{]*)/.exec(text) ?? [];
  const lead = name === undefined ? null : { name, glue: glue as string };
  const parts = text.slice(begun.length).split(/\{(\w+)\}/);
  const words = parts.filter((_, index) => index % 2 === 0);
  const names = parts.filter((_, index) => index % 2 === 1);
  const longest = Math.max(...words.map(({ length }) => length));
  return { text, said, lead, words, names, anchor: words.findIndex(({ length }) => length === longest) };
}

/** All that QEMU may say in this case. */
export const wordsOf = ({ message, migrateMessage, onlyMigratableMessage }: Case<never>): string[] =>
  [message, migrateMessage, onlyMigratableMessage].filter((text) => typeof text === 'string');

/** Where `template` fits in `line`, without overlaps. */
function* occurrences(template: Template, line: string): Generator<Match> {
  const anchor = template.words[template.anchor] as string;
  let at = line.indexOf(anchor);
  while (at >= 0) {
    const match = matchAt(template, line, at);
    if (match) yield match;
    at = line.indexOf(anchor, match?.end ?? at + 1);
  }
}

/** `template` with its longest words at `at`, parameters as short as they can be; `null` where it does not fit. */
function matchAt(template: Template, line: string, at: number): Match | null {
  const { words, names, anchor, lead } = template;
  const texts: Record<string, string> = {};
  const spans: (readonly [from: number, to: number])[] = [[at, at + (words[anchor] as string).length]];
  const keep = (name: string | undefined, text: string | null): boolean => {
    if (!text || /[\r\n]|; /.test(text)) return false;
    texts[name as string] = text;
    return true;
  };
  let start = at;
  for (let index = anchor - 1; index >= 0; index--) {
    const word = words[index] as string;
    const from = Math.max(0, start - PARAMETER_MAX - word.length);
    const found = line.slice(from, start).lastIndexOf(word);
    if (found < 0 || !keep(names[index], line.slice(from + found + word.length, start))) return null;
    start = from + found;
    spans.push([start, start + word.length]);
  }
  let end = spans[0]?.[1] as number;
  for (let index = anchor + 1; index < words.length; index++) {
    const word = words[index] as string;
    const rest = line.slice(end, end + PARAMETER_MAX + word.length);
    const text = word === '' ? tailOf(rest) : rest.slice(0, Math.max(0, rest.indexOf(word)));
    if (!keep(names[index - 1], text)) return null;
    end += (text as string).length + word.length;
    spans.push([end - word.length, end]);
  }
  // A parameter at the end may have been cut.
  if (isInsideWord(line, start) || (words.at(-1) !== '' && isInsideWord(line, end))) return null;
  const weight = spans.reduce((sum, [from, to]) => sum + to - from, 0);
  const match = { template, parameters: texts, words: spans, weight, end };
  if (!lead) return match;
  const leadEnd = start - lead.glue.length;
  const text = line.startsWith(lead.glue, leadEnd) ? leadBefore(line, leadEnd, lead.name) : null;
  // Who quotes a line often leaves out what it begins with.
  if (text === null) return { ...match, weight: weight - 1 };
  spans.push([leadEnd, start]);
  return { ...match, parameters: { [lead.name]: text, ...texts }, weight: weight + lead.glue.length };
}

/** Whether the characters on both sides of `at` belong to one word. */
const isInsideWord = (line: string, at: number): boolean => /\w\w/.test(line.slice(Math.max(0, at - 1), at + 1));

/** What stands before a colon in a log and is no parameter. */
const PREFIX = /^(?:error|warning|info|for|fail(?:ed|ure)|reason|domain|blocked|kvm|qemu\S*|virt\S*|libvirt\S*)$/i;

/** A PCI address, a UUID or an id. */
const DEVICE = /^[\w.:/#@+-]+$/;

/** The parameter `name` that ends at `end`: what follows the last colon or quote; of a device's name the last word. */
function leadBefore(line: string, end: number, name: string): string | null {
  let start = end;
  while (start > Math.max(0, end - PARAMETER_MAX) && !/["'\r\n]/.test(line[start - 1] as string)) start--;
  const text = line.slice(start, end);
  const phrase = text.slice(Math.max(text.lastIndexOf(': '), text.lastIndexOf('; ')) + 1).trimStart();
  const found = name === 'device' ? phrase.slice(phrase.lastIndexOf(' ') + 1) : phrase;
  return found === '' || PREFIX.test(found) || (name === 'device' && !DEVICE.test(found)) ? null : found;
}

/** A parameter that nothing of the template follows: a number, several, or what is left of the line or of a quote. */
function tailOf(rest: string): string | null {
  const number = /^-?(?:0x[\da-f]+|\d+)(?:, ?\d+)*(?!\w|[:./-]\w)/i.exec(rest);
  const text = number ?? /^(?:(?!["\r\n]|; |'(?:[\s}\]),;:]|$)).)+/.exec(rest);
  return text?.[0].trimEnd() ?? null;
}

/** Whether `template` has enough words of its own to be found by. */
export const isDistinctive = (template: string): boolean =>
  template.replaceAll(/\{\w+\}|[\W_]/g, '').length >= DISTINCTIVE;

/** Every distinctive template of the catalogue, once, with all whose words it is. */
const templates: readonly Template[] = (() => {
  const speakers = new Map<string, Map<CatalogueRule, string[]>>();
  const add = (text: string, rule: CatalogueRule, ...values: string[]): void => {
    const said = speakers.get(text) ?? new Map<CatalogueRule, string[]>();
    said.set(rule, [...(said.get(rule) ?? []), ...values]);
    speakers.set(text, said);
  };
  for (const rule of catalogue) {
    for (const [value, each] of Object.entries(rule.cases)) {
      if (each) for (const text of wordsOf(each)) add(text, rule, value);
    }
    for (const text of rule.wordings) add(text, rule);
  }
  const distinctive = [...speakers].filter(([text]) => isDistinctive(text));
  return distinctive.map(([text, said]) => {
    const whose = [...said].map(([rule, values]) => ({ rule, values }));
    return compile(text, whose);
  });
})();
