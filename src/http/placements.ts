import type { FastifyInstance, FastifyRequest } from 'fastify';
import { check } from '../descriptor/check.ts';
import type { Pointer } from '../descriptor/pointer.ts';
import { placementsOf } from '../evaluation/placements.ts';
import type { PlacementRequest } from '../evaluation/placements-schema.ts';
import { placementsText } from '../report/placements-text.ts';
import { color, format, inkOf, jsonOrText, sendAs } from './format.ts';
import { addHosts, withCandidates } from './host-facts.ts';
import type { HostProfiles } from './host-profiles.ts';
import { NO_SITE } from './item.ts';
import { isObject } from '../descriptor/json-object.ts';
import { type Policies, policyParameter, type PolicyQuery, type Site } from './policies.ts';
import { invalidRequest, problemAnswer } from './problems.ts';
import { ref } from './schemas.ts';
import { profilesUnder, putUnder } from './site-defaults.ts';
import { inTurns } from './turns.ts';

interface Query extends PolicyQuery {
  readonly format?: 'json' | 'text';
  readonly color?: 'always' | 'never';
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Of each candidate for the destination, the members that a host profile says. */
    candidateSites: readonly ReadonlySet<Pointer>[];
  }
}

/** `POST /v1/placements`: one VM, many destinations, a verdict each. */
export function placements(app: FastifyInstance, profiles: HostProfiles, policies: Policies): void {
  app.decorateRequest('candidateSites');
  app.post<{ Body: PlacementRequest; Querystring: Query }>(
    '/v1/placements',
    {
      preValidation: async (request) => addCandidates(request, profiles, policies.for(request.query)),
      schema: {
        operationId: 'place',
        summary: 'Which of these hosts can the VM be migrated to, and what is against the others?',
        description:
          'Each candidate has the verdict that `/v1/evaluations` gives with it for the destination. A candidate that says ' +
          'something impossible is listed as such and keeps no other from its answer. The VM may be in an envelope.',
        tags: ['evaluation'],
        body: ref('PlacementRequest'),
        querystring: { type: 'object', properties: { ...policyParameter, format, color }, additionalProperties: false },
        response: { 200: jsonOrText('The candidates, best first.', ref('Placements')), '4xx': problemAnswer },
      },
    },
    async (request, reply) => {
      const { candidates: _, ...vm } = request.body;
      const faults = check(vm);
      if (faults.length > 0) throw invalidRequest(faults);
      const sites = { source: request.item?.site ?? NO_SITE, candidates: request.candidateSites };
      const placed = await inTurns(placementsOf(request.body, sites, request.item?.policy), () => reply.raw.destroyed);
      if (placed === null) return reply.hijack();
      return sendAs(request, reply, placed, (each) => placementsText(each, inkOf(request.query.color)));
    },
  );
}

/** Puts into the body what host profiles and the site's policy say of the source and of the candidates. */
function addCandidates(request: FastifyRequest, profiles: HostProfiles, site: Site): void {
  const known = profilesUnder(site, profiles);
  addHosts(request, {}, known);
  putUnder(request, site);
  const { body } = request;
  if (!isObject(body)) return;
  const { candidates, sites } = withCandidates(body, known, site);
  if (candidates !== undefined) request.body = { ...body, candidates };
  request.candidateSites = sites;
}
