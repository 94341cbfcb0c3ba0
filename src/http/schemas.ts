import { z } from 'zod';
import { descriptor } from '../descriptor/schema.ts';
import { decision } from '../evaluation/decision.ts';
import { problem } from './problems.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** A reference to the schema called `id`, as Fastify and Ajv resolve it. */
export const ref = (id: string): { readonly $ref: string } => ({ $ref: `${id}#` });

/** What the contract consists of; each brings the named schemas that it is made of. */
export const contract = { descriptor, decision, problem };

/**
 * Every named zod schema as JSON Schema, for Ajv at the door, the serializer at the exit and the OpenAPI document alike.
 * The names of nested schemas are dropped from inside, where Ajv would take them for unknown keywords.
 */
export function namedSchemas(): JsonSchema[] {
  const { schemas } = z.toJSONSchema(z.globalRegistry, { uri: (id) => `${id}#` });
  return Object.entries(schemas).map(([id, { $schema: _draft, ...schema }]) => ({ ...schema, $id: id }));
}
