import * as z from 'zod';
import { descriptor } from '../descriptor/schema.ts';
import { simulation } from '../descriptor/simulation.ts';
import { decision } from '../evaluation/decision.ts';
import { placementRequest, placements } from '../evaluation/placements-schema.ts';
import { trace } from '../evaluation/trace.ts';
import { policyContent } from '../policy/schema.ts';
import { recognisedRules, ruleDoc, ruleList } from '../report/catalogue.ts';
import { platforms } from '../report/platforms.ts';
import { batch } from './batch-schema.ts';
import { built } from './built.ts';
import { envelope } from './envelope.ts';
import { importAnswer } from './imports-schema.ts';
import { policyAnswer } from './policy-schema.ts';
import { problem } from './problems.ts';
import { replay } from './replays-schema.ts';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** A reference to the schema called `id`, as Fastify and Ajv resolve it. */
export const ref = (id: string): { readonly $ref: string } => ({ $ref: `${id}#` });

/** What the contract consists of; each brings the named schemas that it is made of. */
export const contract = {
  batch,
  descriptor,
  decision,
  envelope,
  importAnswer,
  placementRequest,
  placements,
  simulation,
  trace,
  ruleList,
  recognisedRules,
  ruleDoc,
  platforms,
  policyContent,
  policyAnswer,
  problem,
  replay,
};

/**
 * Every named zod schema as JSON Schema, for Ajv at the door, the serializer at the exit and the OpenAPI document alike.
 * The names of nested schemas are dropped from inside, where Ajv would take them for unknown keywords.
 */
export function namedSchemas(): JsonSchema[] {
  if (built) return built.schemas();
  const { schemas } = z.toJSONSchema(z.globalRegistry, { uri: (id) => `${id}#`, override: nameDiscriminator });
  // By name, so that the document does not change with the order of imports.
  const byName = Object.entries(schemas).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return byName.map(([id, { $schema: _draft, ...schema }]) => ({ ...schema, $id: id }));
}

/** Says which member tells the kinds of a union apart, so that a fault is told of the kind that is meant, not of each. */
function nameDiscriminator({
  zodSchema,
  jsonSchema,
}: {
  zodSchema: z.core.$ZodTypes;
  jsonSchema: z.core.JSONSchema.BaseSchema;
}): void {
  if (!(zodSchema instanceof z.ZodDiscriminatedUnion)) return;
  const { def } = zodSchema;
  Object.assign(jsonSchema, {
    type: 'object',
    required: [def.discriminator],
    discriminator: { propertyName: def.discriminator },
  });
}
