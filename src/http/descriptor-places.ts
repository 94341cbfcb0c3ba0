import { tokens } from '../descriptor/pointer.ts';
import { isObject } from '../descriptor/json-object.ts';
import { type JsonSchema, namedSchemas, ref } from './schemas.ts';

/** Which places a descriptor may have, by its schema. */
export class DescriptorPlaces {
  readonly #named = new Map(namedSchemas().map((schema) => [`${String(schema['$id'])}#`, schema]));

  /** Whether a descriptor may hold something at `pattern`, a pointer in which `*` stands for any member or index. */
  has(pattern: string): boolean {
    let here: readonly JsonSchema[] = this.#meant(ref('Descriptor'));
    for (const token of tokens(pattern)) here = here.flatMap((schema) => this.#below(schema, token));
    return here.length > 0;
  }

  /** The schemas of what an object or list of `schema` holds at `token`. */
  #below({ properties, items, additionalProperties: any }: JsonSchema, token: string): readonly JsonSchema[] {
    const own = isObject(properties) ? properties : {};
    const members = token === '*' ? Object.values(own) : Object.hasOwn(own, token) ? [own[token]] : [];
    const isItem = token === '*' || /^\d+$/.test(token);
    return [...members, any, ...(isItem ? [items] : [])].filter(isObject).flatMap((each) => this.#meant(each));
  }

  /** What `schema` refers to, or is a choice of. */
  #meant(schema: JsonSchema): readonly JsonSchema[] {
    const { $ref: name, anyOf, allOf } = schema;
    const named = typeof name === 'string' ? this.#named.get(name) : undefined;
    const choice = [anyOf, allOf].flatMap((each) => (Array.isArray(each) ? each : [])).filter(isObject);
    return named ? this.#meant(named) : [schema, ...choice.flatMap((each) => this.#meant(each))];
  }
}
