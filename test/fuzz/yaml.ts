import type { Dice } from './dice.ts';
import { copyOf, type Json, textOfJson } from './json.ts';

/** `json` as YAML, in whatever style `dice` says for each part. */
export function textOfYaml(json: Json, dice: Dice): string {
  if (dice.is(10)) return textOfJson(json);
  return `${dice.is(20) ? '---\n' : ''}${dice.is(20) ? '# a comment\n' : ''}${block(json, '', dice).trimStart()}\n`;
}

function block(json: Json, indent: string, dice: Dice): string {
  if (typeof json === 'string') return ` ${scalar(json, dice)}`;
  const parts = 'members' in json ? json.members : json.items;
  if (parts.length === 0 || dice.is(10)) return ` ${textOfJson(json).replaceAll(/(?<=[,:])(?=["{[\w-])/g, ' ')}`;
  if ('items' in json)
    return json.items.map((item) => `\n${indent}- ${block(item, `${indent}  `, dice).trimStart()}`).join('');
  const deeper = `${indent}${dice.of(['  ', '  ', ' ', '    '])}`;
  const line = (key: string): string => `\n${indent}${scalar(JSON.stringify(key), dice)}`;
  return json.members.map(([key, value]) => `${line(key)}:${block(value, deeper, dice)}`).join('');
}

/** A scalar in one of the styles that say the same. */
function scalar(json: string, dice: Dice): string {
  if (!/^"[\w./ -]+"$/.test(json) || /^"(?:[\d .+-]|true|false|null|yes|no|on|off|~)|\s"$/i.test(json)) return json;
  const text = json.slice(1, -1);
  return dice.of([json, text, text, text, `'${text}'`]);
}

/** Replaces a part of `text` by an alias of another that says the same, or as much as it takes. */
export function aliased(text: string, dice: Dice): string {
  const values = [...text.matchAll(/(?<=: )[\w.-]+$/gm)];
  const [from, to] = [dice.of(values), dice.of(values)];
  if (!from || !to || from.index >= to.index) return text;
  const [start, end] = [from.index, to.index];
  return `${text.slice(0, start)}&x ${text.slice(start, end)}*x${text.slice(end + to[0].length)}`;
}

/** Changes of text after which it cannot be read, or is refused for what it asks of a parser. */
export const BREAKS: readonly ((text: string, dice: Dice) => string)[] = [
  (text) => text.replace(/(?<=: )(?=[\w"'])/, '!!binary '),
  (text) => text.replace(/(?<=: )(?=[\w"'])/, '!x '),
  (text) => text.replace(/(?<=: )[\w"'].*/, '*nothing'),
  (text) => `${text}\n---\na: b\n`,
  (text) => `${text}\n...\n---\n[]\n`,
  (text) => (text.startsWith('{') ? `${text}}` : `${text}<<: {a: b}\n`),
  (text) => (text.startsWith('{') ? text.slice(0, -2) : `${text}kind: VirtualMachine\nkind: VirtualMachine\n`),
  (text) => `${text}\n\t- a: [b\n`,
  (text) => `${text}\n"open`,
  (text) => `%YAML 9.9\n${text.replace(/^---\n/, '')}\n}`,
];

/** A document of anchors on anchors, each twice what the one before is. */
export const doubling = (levels: number): string =>
  Array.from({ length: levels }, (_, level) => `a${level}: &a${level} [*a${level - 1}, *a${level - 1}]`)
    .join('\n')
    .replaceAll('*a-1', 'x');

/** A List of KubeVirt objects. */
export const listOf = (objects: readonly Json[]): Json => ({
  members: [
    ['apiVersion', '"v1"'],
    ['kind', '"List"'],
    ['items', { items: objects.map(copyOf) }],
  ],
});
