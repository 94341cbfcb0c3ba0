import type { JsonSchema } from '../../src/http/schemas.ts';
import type { Dice } from './dice.ts';
import { INHERITED, NUMBERS, WORDS } from './words.ts';

/** A JSON document as it is written: members may stand twice, and a scalar is any text. */
export type Json = JsonObject | JsonArray | string;

export interface JsonObject {
  readonly members: (readonly [key: string, value: Json])[];
}

interface JsonArray {
  readonly items: Json[];
}

const isObject = (json: Json): json is JsonObject => typeof json === 'object' && 'members' in json;

/** `value`, which JSON can hold, as it is written. */
export function jsonOf(value: unknown): Json {
  if (Array.isArray(value)) return { items: value.map(jsonOf) };
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).filter(([, each]) => each !== undefined);
  return { members: members.map(([key, each]) => [key, jsonOf(each)]) };
}

/** The text of `json`. */
export function textOfJson(json: Json): string {
  if (typeof json === 'string') return json;
  if (!isObject(json)) return `[${json.items.map(textOfJson).join(',')}]`;
  return `{${json.members.map(([key, value]) => `${JSON.stringify(key)}:${textOfJson(value)}`).join(',')}}`;
}

/** `json` without sharing any part with it. */
export function copyOf(json: Json): Json {
  if (typeof json === 'string') return json;
  return isObject(json)
    ? { members: json.members.map(([key, value]) => [key, copyOf(value)]) }
    : { items: json.items.map(copyOf) };
}

/** What may stand where, by the names of schemas. */
export class Grammar {
  readonly #named: ReadonlyMap<string, JsonSchema>;

  constructor(schemas: readonly JsonSchema[]) {
    this.#named = new Map(schemas.map((schema) => [`${String(schema['$id'])}#`, schema]));
  }

  /** `schema` itself, of a union the branch that fits best what stands there. */
  resolve(schema: JsonSchema | undefined, dice: Dice, json?: Json): JsonSchema | undefined {
    if (schema === undefined) return undefined;
    const { $ref: name, anyOf, oneOf, allOf } = schema;
    if (typeof name === 'string') return this.resolve(this.#named.get(name), dice, json);
    const branches = (anyOf ?? oneOf ?? allOf) as readonly JsonSchema[] | undefined;
    if (branches === undefined) return schema;
    const fitting = branches
      .map((branch) => this.resolve(branch, dice, json))
      .filter((branch) => json === undefined || typeof json === 'string' || branch?.['type'] === kindOf(json));
    return dice.of(fitting.length > 0 ? fitting : [undefined]);
  }

  /** The schema of member `key`. */
  memberOf(schema: JsonSchema | undefined, key: string): JsonSchema | undefined {
    const properties = schema?.['properties'] as Readonly<Record<string, JsonSchema>> | undefined;
    if (properties !== undefined && Object.hasOwn(properties, key)) return properties[key];
    const others = schema?.['additionalProperties'];
    return typeof others === 'object' ? (others as JsonSchema) : undefined;
  }

  /** Something that `schema` takes, or nearly. */
  make(schema: JsonSchema | undefined, dice: Dice, depth = 0): Json {
    const known = this.resolve(schema, dice);
    if (known === undefined || depth > 6) return JSON.stringify(dice.of(WORDS));
    if ('const' in known) return JSON.stringify(known['const']);
    if (Array.isArray(known['enum'])) return JSON.stringify(dice.of(known['enum'] as readonly unknown[]));
    switch (known['type']) {
      case 'boolean':
        return dice.of(['true', 'false']);
      case 'integer':
      case 'number':
        return this.#number(known, dice);
      case 'null':
        return 'null';
      case 'array': {
        const count = dice.few(Math.min(5, Number(known['maxItems'] ?? 5)));
        return { items: Array.from({ length: count }, () => this.make(known['items'] as JsonSchema, dice, depth + 1)) };
      }
      case 'object':
        return { members: this.#members(known, dice, depth) };
      case 'string':
        return JSON.stringify(stringFor(known, dice));
      default:
        return JSON.stringify(dice.of(WORDS));
    }
  }

  #number({ minimum, maximum }: JsonSchema, dice: Dice): string {
    const [least, most] = [Number(minimum ?? 0), Number(maximum ?? 2 ** 53 - 1)];
    if (dice.is(20)) return String(dice.of([least, most]));
    const fitting = NUMBERS.filter(
      (each) => Number.isSafeInteger(Number(each)) && Number(each) >= least && Number(each) <= most,
    );
    return dice.of(fitting.length > 0 ? fitting : ['0']);
  }

  #members(known: JsonSchema, dice: Dice, depth: number): JsonObject['members'] {
    const properties = Object.entries((known['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>);
    const required = new Set(known['required'] as readonly string[] | undefined);
    const chosen = properties.filter(([key]) => required.has(key) || dice.is(30));
    if (properties.length === 0 && typeof known['additionalProperties'] === 'object') {
      chosen.push([dice.of(['dev0', 'hostdev0', '*']), known['additionalProperties'] as JsonSchema]);
    }
    return chosen.map(([key, schema]) => [key, this.make(schema, dice, depth + 1)]);
  }
}

const kindOf = (json: Json): string => (typeof json === 'string' ? 'scalar' : isObject(json) ? 'object' : 'array');

const PATTERNED: readonly (readonly [part: string, words: readonly string[]])[] = [
  ['iB', ['4GiB', '8TiB', '16TiB', '1B', '0B', '0x8000000000', '15EiB', '4KiB', '2MiB', '1GiB']],
  [
    '0[xX]',
    ['0x0', '0x1000', '0xfee00000', '0x100000000', '0x100000000000', '0xfffffffffffff000', '0xffffffffffffffff'],
  ],
];

function stringFor(
  { pattern = '', title = '' }: JsonSchema & { pattern?: string; title?: string },
  dice: Dice,
): string {
  const found = PATTERNED.find(([part]) => pattern.includes(part));
  if (found) return dice.of(found[1]);
  if (title.includes('version')) return dice.of(['10.2.2', '11.1.3', '7.2.22', '8.0.0', '9.1', '6.12', '6.1']);
  return dice.is(60)
    ? dice.of(['dev0', 'hostdev0', 'edu', 'nvme', 'pc-q35-10.2', 'vfio-pci', 'mlx5_vfio_pci'])
    : dice.of(WORDS);
}

/** A list of members or items in a document, and what may stand in it. */
interface Node {
  readonly json: JsonObject | JsonArray;
  readonly schema: JsonSchema | undefined;
}

function nodesIn(json: Json, schema: JsonSchema | undefined, grammar: Grammar, dice: Dice): Node[] {
  if (typeof json === 'string') return [];
  const known = grammar.resolve(schema, dice, json);
  const below = isObject(json)
    ? json.members.flatMap(([key, value]) => nodesIn(value, grammar.memberOf(known, key), grammar, dice))
    : json.items.flatMap((item) => nodesIn(item, known?.['items'] as JsonSchema | undefined, grammar, dice));
  return [{ json, schema: known }, ...below];
}

/** Changes one thing in `json`, a document of `schema`; `other` is where foreign parts come from. */
export function mutateJson(
  json: Json,
  other: Json,
  schema: JsonSchema | undefined,
  grammar: Grammar,
  dice: Dice,
): void {
  const nodes = nodesIn(json, schema, grammar, dice);
  const node = dice.of(nodes);
  if (node === undefined) return;
  if (isObject(node.json)) mutateObject(node.json, node.schema, { nodes, other, grammar, dice });
  else mutateArray(node.json, node.schema, { nodes, other, grammar, dice });
}

interface Around {
  readonly nodes: readonly Node[];
  readonly other: Json;
  readonly grammar: Grammar;
  readonly dice: Dice;
}

function mutateObject({ members }: JsonObject, schema: JsonSchema | undefined, around: Around): void {
  const { grammar, dice } = around;
  const at = dice.below(members.length);
  const [key = 'vm', value = 'null'] = members[at] ?? [];
  const put = (name: string, made: Json): unknown => members.splice(dice.placeIn(members), 0, [name, made]);
  const known = Object.keys(schema?.['properties'] ?? {});
  switch (dice.below(11)) {
    case 0:
    case 1:
    case 2: {
      const name = known.length > 0 ? dice.of(known) : key;
      const found = members.findIndex(([each]) => each === name);
      const made = grammar.make(grammar.memberOf(schema, name), dice);
      members.splice(found === -1 ? members.length : found, found === -1 ? 0 : 1, [name, made]);
      return;
    }
    case 3:
    case 4:
      if (members.length > 0) members[at] = [key, grammar.make(grammar.memberOf(schema, key), dice)];
      return;
    case 5:
      if (members.length > 0) members[at] = [key, scalar(dice)];
      return;
    case 6:
      members.splice(at, 1);
      return;
    case 7:
      return void put(key, dice.is(50) ? copyOf(value) : scalar(dice));
    case 8:
      return void put(dice.of(INHERITED), dice.is(50) ? foreign(around) : scalar(dice));
    case 9:
      return void put(dice.is(50) ? dice.of(WORDS) : key, foreign(around));
    default:
      if (members.length > 0) members[at] = [key, wrapped(value, dice)];
  }
}

function mutateArray({ items }: JsonArray, schema: JsonSchema | undefined, around: Around): void {
  const { grammar, dice } = around;
  const at = dice.below(items.length);
  const made = (): Json => grammar.make(schema?.['items'] as JsonSchema | undefined, dice);
  switch (dice.below(7)) {
    case 0:
    case 1:
      return void items.splice(dice.placeIn(items), 0, made());
    case 2:
      return void items.splice(at, 1, made());
    case 3:
      return void items.splice(at, 1);
    case 4:
      if (items.length > 0)
        for (let copies = 2 ** dice.below(5); copies > 0; copies--) items.push(copyOf(items[at] as Json));
      return;
    case 5:
      return void items.splice(at, 1, foreign(around));
    default:
      items.splice(at, 1, scalar(dice));
  }
}

/** Part of this document or of another. */
function foreign({ nodes, other, grammar, dice }: Around): Json {
  const from = dice.is(50) ? nodes : nodesIn(other, undefined, grammar, dice);
  return from.length === 0 ? '{}' : copyOf(dice.of(from).json);
}

const NUMERALS = [
  '-0',
  '1E400',
  '1e-400',
  '0.1e1',
  '1.7976931348623157e308',
  '5e-324',
  '123456789012345678901234567890',
];
const ESCAPED = ['"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '"\\/"', '"\\ud83d\\ude00"'];

const scalar = (dice: Dice): string =>
  dice.of([
    () => JSON.stringify(dice.of(WORDS)),
    () => dice.of(NUMBERS),
    () => dice.of([...NUMERALS, ...ESCAPED]),
    () => dice.of(['null', 'true', 'false', '{}', '[]', '[null]', '{"":""}']),
  ])();

/** `json` in lists or objects, a few or very many. */
function wrapped(json: Json, dice: Dice): Json {
  const depth = dice.is(80) ? dice.few(8) : dice.of([100, 2000, 20_000]);
  return dice.is(50)
    ? `${'['.repeat(depth)}${textOfJson(json)}${']'.repeat(depth)}`
    : `${'{"a":'.repeat(depth)}${textOfJson(json)}${'}'.repeat(depth)}`;
}

/** Changes of text after which it is JSON no more. */
export const BREAKS: readonly ((text: string, dice: Dice) => string)[] = [
  (text, dice) => text.slice(0, text.length - 1 - dice.below(Math.max(1, text.length - 2))),
  (text) => `${text}]`,
  (text) => `${text}${text}`,
  (text) => `${text.slice(0, -1)},${text.slice(-1)}`,
  (text) => `/* x */${text}`,
  (text) => `${text}\u00a0`,
  (text, dice) => text.replace(/:/, dice.of([' ', '=', '::'])),
  (text, dice) =>
    text.replace(/(?<=[:[])(?:"|\d|true|false|null)/, (start) => `${dice.of(['+', 'NaN', '01', "'", '\\'])}${start}`),
];
