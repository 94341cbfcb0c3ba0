import { type ASTNode, Environment } from '@marcbachmann/cel-js';
import { serialize } from '@marcbachmann/cel-js/serialize';
import { all, any, choose, isFalse, isTrue, not, type Truth } from '../descriptor/fact.ts';
import { lazy } from '../descriptor/lazy.ts';
import { formatSize, parseSize } from '../descriptor/quantities.ts';
import { ExpressionError, inspect, type Vocabulary } from './inspection.ts';
import { Release } from './release.ts';
import { type Context, type Each, methods, names, types, written } from './vocabulary.ts';

/** A condition of a policy file. */
export interface Condition {
  /**
   * Whether it holds, resting on what decides that; or what it lacks.
   * @throws Error where it comes to nothing: an overflow, a division by zero, a key or item that is not there.
   */
  readonly truth: (context: Context) => Truth;
  /** Steps that this takes at most. */
  readonly cost: number;
}

/** What expressions may consist of. */
const LIMITS = { maxAstNodes: 256, maxDepth: 24, maxListElements: 64, maxMapEntries: 1, maxCallArguments: 3 };

/** Names that expressions may begin with, and their types. */
export const namesFor = (each: Each): Readonly<Record<string, string>> => {
  if (each === 'device') return { ...names, device: 'Device' };
  return each === 'container' ? { ...names, container: 'Container' } : names;
};

const environments = {
  vm: lazy(() => environmentOf(namesFor('vm'))),
  device: lazy(() => environmentOf(namesFor('device'))),
  container: lazy(() => environmentOf(namesFor('container'))),
};

/** What CEL is told of the things that expressions name. */
function environmentOf(variables: Readonly<Record<string, string>>): Environment {
  const environment = new Environment({ limits: LIMITS });
  environment.registerType('Version', { ctor: Release, fields: {} } as never);
  // A type may have members of those before it.
  for (const [name, { ctor, members }] of types) {
    const fields = Object.fromEntries(Object.entries(members).map(([key, { type }]) => [key, type]));
    environment.registerType(name, { ctor, fields });
  }
  environment.registerFunction('version(string): Version', written);
  environment.registerFunction('bytesOf(string): int', (size: string) => parseSize(size));
  environment.registerFunction('iec(int): string', formatSize);
  environment.registerFunction('string(Version): string', String);
  const compare = (op: string, holds: (difference: number) => boolean): void => {
    environment.registerOperator(`Version ${op} Version`, (a: Release, b: Release) => holds(a.compare(b)));
  };
  compare('==', (difference) => difference === 0);
  compare('<', (difference) => difference < 0);
  compare('<=', (difference) => difference <= 0);
  compare('>', (difference) => difference > 0);
  compare('>=', (difference) => difference >= 0);
  for (const { on, name, takes, call } of methods) {
    environment.registerFunction(`${on}.${name}(${takes.map(() => 'string').join(', ')}): bool`, call);
  }
  for (const [name, type] of Object.entries(variables)) environment.registerVariable(name, type);
  return environment;
}

/**
 * The condition that `text` is.
 * @throws ExpressionError saying what is wrong with it.
 */
export function conditionOf(text: string, each: Each, vocabulary: Vocabulary): Condition {
  const { ast, type } = parsed(text, each);
  if (type !== 'bool') throw new ExpressionError(`is of type ${type}, and must be true or false`);
  const { cost } = inspect(ast, vocabulary);
  return { truth: truthOf(ast, environments[each]()), cost };
}

type Evaluate = (context: Context) => unknown;

function parsed(
  text: string,
  each: Each,
): { readonly ast: ASTNode; readonly type: string; readonly evaluate: Evaluate } {
  const evaluate = attempt(text, () => environments[each]().parse(text));
  const { valid, type = '', error } = evaluate.check();
  if (!valid) throw told(text, error);
  return { ast: evaluate.ast, type, evaluate: evaluate as Evaluate };
}

function attempt<T>(text: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw told(text, error);
  }
}

/** What CEL says is wrong, and of which part of `text`. */
function told(text: string, error: unknown): ExpressionError {
  const { summary, range, message } = error as Partial<{ summary: string; range: { start: number; end: number } }> &
    Error;
  const part = range ? text.slice(range.start, Math.max(range.end, range.start + 1)).trim() : '';
  return new ExpressionError(part === '' ? (summary ?? message) : `"${part}": ${summary ?? message}`);
}

/**
 * What `node` comes to. CEL's own operators would absorb what is not known as Kleene's do, but not tell what the truth
 * rests on, nor all that it lacks: so only what stands between them is left to CEL.
 */
function truthOf(node: ASTNode, environment: Environment): (context: Context) => Truth {
  if (node.op === '&&' || node.op === '||') {
    const [left, right] = node.args.map((each) => truthOf(each, environment)) as [Evaluated, Evaluated];
    return joined(node.op === '||', left, right);
  }
  if (node.op === '!_') {
    const truth = truthOf(node.args, environment);
    return (context) => not(truth(context));
  }
  if (node.op === '?:') {
    const [condition, left, right] = node.args.map((each) => truthOf(each, environment)) as [
      Evaluated,
      Evaluated,
      Evaluated,
    ];
    return (context) => choose(condition(context), (holds) => (holds ? left(context) : right(context)));
  }
  const evaluate = environment.parse(folded(serialize(node)));
  return (context) => context.reader.truthOf(() => evaluate(context) as boolean);
}

type Evaluated = (context: Context) => Truth;

/**
 * `||`, which one true side `decides`, or `&&`, which one false side does: whatever the other comes to, or if it comes to
 * nothing. Where one is not known and the other comes to nothing, it is not known what decides.
 */
function joined(decides: boolean, left: Evaluated, right: Evaluated): Evaluated {
  const [join, isDecided] = decides ? ([any, isTrue] as const) : ([all, isFalse] as const);
  return (context) => {
    let first: Truth;
    try {
      first = left(context);
    } catch (error) {
      const second = right(context);
      if (second.known && !isDecided(second)) throw error;
      return second;
    }
    if (isDecided(first)) return first;
    try {
      return join(first, right(context));
    } catch (error) {
      if (first.known) throw error;
      return first;
    }
  };
}

/** `text` with sizes worked out; inside a text a quotation mark has a backslash before it. */
const folded = (text: string): string =>
  text.replaceAll(/\bbytesOf\("(\w+)"\)/g, (_, size: string) => String(parseSize(size)));

/** What is written where an expression of a message comes to nothing. */
const OPEN = 'unknown';

/**
 * What fills a message in: what stands in braces is evaluated; doubled braces are braces.
 * @throws ExpressionError saying what is wrong with what.
 */
export function messageOf(template: string, each: Each, vocabulary: Vocabulary): (context: Context) => string {
  const parts: (string | Evaluate)[] = [];
  let begun = 0;
  for (const found of template.matchAll(/\{\{|\}\}|\{([^{}]*)\}|[{}]/g)) {
    const [whole, text] = found;
    parts.push(template.slice(begun, found.index));
    begun = found.index + whole.length;
    if (whole === '{{' || whole === '}}') parts.push(whole.slice(1));
    else if (text === undefined)
      throw new ExpressionError(`"${whole}" stands alone; write "${whole}${whole}" for itself`);
    else parts.push(partOf(text, each, vocabulary));
  }
  parts.push(template.slice(begun));
  return (context) => parts.map((part) => (typeof part === 'string' ? part : filled(part, context))).join('');
}

function partOf(text: string, each: Each, vocabulary: Vocabulary): Evaluate {
  const { ast, type, evaluate } = parsed(text, each);
  if (!['string', 'int', 'bool', 'Version'].includes(type)) {
    throw new ExpressionError(`"${text}": is of type ${type}, and must be a text, an integer, a truth or a version`);
  }
  const { cost } = inspect(ast, vocabulary);
  if (cost > MESSAGE_COST_MAX)
    throw new ExpressionError(`"${text}": may take ${cost} steps; ${MESSAGE_COST_MAX} are allowed`);
  return evaluate;
}

const MESSAGE_COST_MAX = 10_000;

function filled(part: Evaluate, context: Context): string {
  try {
    return String(part(context));
  } catch {
    return OPEN;
  }
}
