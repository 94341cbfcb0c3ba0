import * as z from 'zod';
import { descriptor, host } from '../descriptor/schema.ts';
import { decision } from './decision.ts';

/** The one source of a placement's request and answer: their types and their JSON Schemas. */

/** Destinations that one request may name. */
const CANDIDATES_MAX = 1000;

const ref = z.string().max(256).optional();
const { verdict, because, possible, confidence, summary, findings, ruleset, policyRevision } = decision.shape;

export const placementRequest = descriptor
  .omit({ destination: true })
  .extend({
    candidates: z
      .array(z.strictObject({ ref: ref.describe('Comes back in the answer.'), host }))
      .min(1)
      .max(CANDIDATES_MAX),
  })
  .meta({
    id: 'PlacementRequest',
    description: 'A VM, the host it is on, and hosts that it may be migrated to.',
  });

const candidate = z
  .strictObject({ index: z.int().min(0).describe('Place in the request.'), ref })
  .meta({ id: 'Candidate' });

const group = z
  .strictObject({
    verdict,
    because,
    possible,
    confidence,
    summary,
    candidates: z.array(candidate).min(1),
    findings: findings.describe('On the destination, or by the site’s policy.'),
  })
  .meta({
    id: 'PlacementGroup',
    description:
      'Candidates to which the same applies: one verdict, and the same rules for the same devices. Values and messages are ' +
      'those of the first of them.',
  });

export const placements = z
  .strictObject({
    ref,
    ruleset,
    policyRevision,
    groups: z
      .array(group)
      .describe('Best first: allowed, risky, unknown, blocked, unsafe; then in the order of the request.'),
    findings: findings.describe('On the source, the same for every candidate.'),
    assumptions: decision.shape.assumptions,
    invalid: z
      .array(candidate.extend({ errors: z.array(z.strictObject({ pointer: z.string(), detail: z.string() })).min(1) }))
      .describe('Candidates that say something impossible, and what.'),
  })
  .meta({ id: 'Placements', description: 'Where the VM can be migrated to, and what is against the other hosts.' });

export type PlacementRequest = z.infer<typeof placementRequest>;
export type Placements = z.infer<typeof placements>;
