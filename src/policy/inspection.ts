import type { ASTNode } from '@marcbachmann/cel-js';
import { closest } from 'fastest-levenshtein';
import { parseSize, SIZE_PATTERN } from '../descriptor/quantities.ts';
import { DEVICES_MAX, LABELS_MAX } from '../descriptor/schema.ts';
import { Release } from './release.ts';
import { INT_MAX, methods, types } from './vocabulary.ts';

/** What is wrong with an expression. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError';
}

/** What is known of an expression before it is evaluated. */
export interface Inspected {
  /** Steps that evaluating it takes at most. */
  readonly cost: number;
  /** Its type; `dyn` where that is not worked out. */
  readonly type: string;
  /** Items that it has at most, of a list or map. */
  readonly size: number;
  /** Every text that it may be, where that is a closed set. */
  readonly values?: readonly string[] | undefined;
}

/** A version that is held against one of a host. */
export interface Mention {
  readonly field: 'qemu' | 'kernel';
  readonly release: Release;
}

/** What an expression may name beside things of the VM. */
export interface Vocabulary {
  /** Types of the names that it may begin with. */
  readonly names: Readonly<Record<string, string>>;
  /** Ids of rules. */
  readonly rules: ReadonlySet<string>;
  /** Told of each version that it holds against one of a host. */
  readonly mentions: (mention: Mention) => void;
}

/** Looking up a figure, or what was found, looks at each container, or finding. */
const LOOK = DEVICES_MAX;

/** Functions on texts and lists, and what comes of them. */
const BUILT_IN: ReadonlyMap<string, string> = new Map([
  ['startsWith', 'bool'],
  ['endsWith', 'bool'],
  ['contains', 'bool'],
  ['lowerAscii', 'string'],
  ['size', 'int'],
]);

/** Macros over a list. */
const MACROS: ReadonlySet<string> = new Set(['all', 'exists', 'exists_one', 'filter', 'map']);

/**
 * Looks whether `node`, which is well-typed, says nothing but what policy files may say: no function but ours and a few
 * of CEL's, none of which takes longer than its arguments are long; no text that the thing it is held against never is.
 * @throws ExpressionError saying what else it says.
 */
export function inspect(node: ASTNode, vocabulary: Vocabulary): Inspected {
  switch (node.op) {
    case 'value':
      return inspected(1, literalType(node));
    case 'id':
      return inspected(1, vocabulary.names[node.args] ?? 'dyn');
    case '.': {
      const [of, key] = node.args;
      const { cost, type } = inspect(of, vocabulary);
      const look = type === 'Figures' || type === 'AtLeast' ? LOOK : 1;
      const member = types.get(type)?.members[key];
      return { ...inspected(cost + look, member?.type ?? itemOf(type)), values: member?.values };
    }
    case '[]': {
      const [list, index] = node.args.map((each) => inspect(each, vocabulary)) as [Inspected, Inspected];
      return inspected(1 + list.cost + index.cost, itemOf(list.type));
    }
    case 'list': {
      const items = node.args.map((each) => inspect(each, vocabulary));
      return { cost: 1 + sum(items), type: `list<${items[0]?.type ?? 'dyn'}>`, size: items.length };
    }
    case 'call':
      return inspectCall(node, vocabulary);
    case 'rcall':
      return inspectMethod(node, vocabulary);
    case '!_':
    case '-_':
      return inspect(node.args, vocabulary);
    case '.?':
    case '[?]':
    case 'map':
      throw refused(node, 'no optional values and no maps');
    case '?:': {
      const [condition, ...ways] = node.args.map((each) => inspect(each, vocabulary)) as [
        Inspected,
        Inspected,
        Inspected,
      ];
      return { cost: condition.cost + sum(ways), type: ways[0].type, size: Math.max(...ways.map(({ size }) => size)) };
    }
    case '||':
    case '&&':
    case '==':
    case '!=':
    case '<':
    case '<=':
    case '>':
    case '>=':
    case 'in':
    case '+':
    case '-':
    case '*':
    case '/':
    case '%': {
      const [left, right] = node.args;
      const sides = [inspect(left, vocabulary), inspect(right, vocabulary)] as const;
      if (node.op === '==' || node.op === '!=' || node.op === 'in') {
        inspectTexts(left, sides[0], right);
        inspectTexts(right, sides[1], left);
      }
      inspectVersions(left, right, vocabulary);
      // Lists are compared, searched and joined item by item.
      const size = sides[0].size + sides[1].size;
      const cost = 1 + sum(sides) + size;
      const { type } = sides[0];
      if (node.op === '+') return { cost, type, size: type.startsWith('list<') ? size : 1 };
      return inspected(cost, ARITHMETIC.has(node.op) ? type : 'bool');
    }
  }
}

const sum = (parts: readonly Inspected[]): number => parts.reduce((total, { cost }) => total + cost, 0);

/** Something of a `type` that tells how many items it may have: as many as there may be, where it tells nothing. */
const inspected = (cost: number, type: string): Inspected => ({
  cost,
  type,
  size: type.startsWith('map<') ? LABELS_MAX : type.startsWith('list<') || type === 'dyn' ? DEVICES_MAX : 1,
});

/** Types of what is written out, as JavaScript calls them and as CEL does. */
const LITERALS: ReadonlyMap<string, string> = new Map([
  ['string', 'string'],
  ['bigint', 'int'],
  ['boolean', 'bool'],
]);

function literalType(node: Node<'value'>): string {
  const type = LITERALS.get(typeof node.args);
  if (type === undefined) throw refused(node, 'no number but integers, no bytes and no null');
  return type;
}

const ARITHMETIC: ReadonlySet<string> = new Set(['-', '*', '/', '%']);

/** The type of an item of `type`. */
const itemOf = (type: string): string => /^list<(.+)>$/.exec(type)?.[1] ?? (type.startsWith('map<') ? 'string' : 'dyn');

const refused = (node: ASTNode, detail: string): ExpressionError =>
  new ExpressionError(`"${node.input.slice(node.start, node.end)}": ${detail}`);

type Node<Op extends ASTNode['op']> = Extract<ASTNode, { readonly op: Op }>;

const textOf = (node: ASTNode | undefined): string | null =>
  node?.op === 'value' && typeof node.args === 'string' ? node.args : null;

/** The text that `node` is. @throws ExpressionError where it is none that is written out. */
function literal(node: ASTNode | undefined, whole: ASTNode): string {
  const text = textOf(node);
  if (text === null) throw refused(whole, 'takes texts that are written out');
  return text;
}

function inspectCall(node: Node<'call'>, vocabulary: Vocabulary): Inspected {
  const [name, args] = node.args;
  switch (name) {
    case 'version':
      inspectVersion(literal(args[0], node), node);
      return inspected(1, 'Version');
    case 'bytesOf':
      inspectSize(literal(args[0], node), node);
      return inspected(1, 'int');
    case 'has':
    case 'iec':
    case 'string': {
      const parts = args.map((each) => inspect(each, vocabulary));
      return inspected(1 + sum(parts), name === 'has' ? 'bool' : 'string');
    }
    default:
      throw refused(
        node,
        `there is no function "${name}"${nearest(name, ['version', 'bytesOf', 'has', 'iec', 'string'])}`,
      );
  }
}

function inspectVersion(text: string, node: ASTNode): Release {
  const release = Release.parse(text);
  if (release === null) throw refused(node, `"${text}" is no version such as "11.1"`);
  return release;
}

function inspectSize(text: string, node: ASTNode): void {
  if (!new RegExp(SIZE_PATTERN).test(text) || (parseSize(text) ?? INT_MAX + 1n) > INT_MAX)
    throw refused(node, `"${text}" is no size such as "512MiB"`);
}

function inspectMethod(node: Node<'rcall'>, vocabulary: Vocabulary): Inspected {
  const [name, receiver, args] = node.args;
  if (MACROS.has(name)) return inspectMacro(node, vocabulary);
  const on = inspect(receiver, vocabulary);
  const parts = args.map((each) => inspect(each, vocabulary));
  const cost = 1 + on.cost + sum(parts);
  const result = BUILT_IN.get(name);
  if (result !== undefined) return inspected(cost + on.size, result);
  const method = methods.find((each) => each.name === name && (on.type === 'dyn' || each.on === on.type));
  if (!method)
    throw refused(
      node,
      `there is no function "${name}"${nearest(name, [...BUILT_IN.keys(), ...MACROS, ...methods.map((each) => each.name)])}`,
    );
  for (const [place, takes] of method.takes.entries()) {
    const text = literal(args[place], node);
    if (takes === 'rule') inspectName(text, [...vocabulary.rules], 'no rule that is there so far', node);
    else if (takes === 'version') mention(receiver, inspectVersion(text, node), vocabulary);
    else if (takes !== 'text') inspectName(text, takes, `none of ${takes.join(', ')}`, node);
  }
  return inspected(cost + LOOK, 'bool');
}

function inspectMacro(node: Node<'rcall'>, vocabulary: Vocabulary): Inspected {
  const [name, receiver, [variable, ...bodies]] = node.args;
  const list = inspect(receiver, vocabulary);
  const item = itemOf(list.type);
  if (variable?.op !== 'id') throw refused(node, 'takes a name for each item first');
  const within = { ...vocabulary, names: { ...vocabulary.names, [variable.args]: item } };
  const parts = bodies.map((each) => inspect(each, within));
  const cost = 1 + list.cost + list.size * (1 + sum(parts));
  if (name === 'filter') return { cost, type: list.type, size: list.size };
  return name === 'map'
    ? { cost, type: `list<${parts.at(-1)?.type ?? 'dyn'}>`, size: list.size }
    : inspected(cost, 'bool');
}

function inspectName(text: string, known: readonly string[], detail: string, node: ASTNode): void {
  if (!known.includes(text)) throw refused(node, `"${text}" is ${detail}${nearest(text, known)}`);
}

const nearest = (text: string, known: readonly string[]): string =>
  known.length === 0 ? '' : `; the nearest is "${closest(text, known)}"`;

/** Texts that a member is held against are such as it may be. */
function inspectTexts(member: ASTNode, { values }: Inspected, other: ASTNode): void {
  if (values === undefined) return;
  for (const each of other.op === 'list' ? other.args : [other]) {
    const text = textOf(each);
    if (text !== null) inspectName(text, values, `never what this is: one of ${values.join(', ')}`, member);
  }
}

function inspectVersions(left: ASTNode, right: ASTNode, vocabulary: Vocabulary): void {
  for (const [one, other] of [
    [left, right],
    [right, left],
  ] as const) {
    if (other.op !== 'call' || other.args[0] !== 'version') continue;
    const release = Release.parse(textOf(other.args[1][0]) ?? '');
    if (release) mention(one, release, vocabulary);
  }
}

function mention(of: ASTNode, release: Release, { mentions }: Vocabulary): void {
  if (of.op === '.' && (of.args[1] === 'qemu' || of.args[1] === 'kernel')) mentions({ field: of.args[1], release });
}
