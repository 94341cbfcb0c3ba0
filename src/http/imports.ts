import type { FastifyInstance } from 'fastify';
import { check } from '../descriptor/check.ts';
import { member, type Pointer } from '../descriptor/pointer.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { addHosts, hostParameters, type HostQuery } from './host-facts.ts';
import type { HostProfiles } from './host-profiles.ts';
import type { Policies } from './policies.ts';
import type { ImportAnswer } from './imports-schema.ts';
import type { Item } from './item.ts';
import { nearest } from './overlay.ts';
import { invalidRequest, problemAnswer } from './problems.ts';
import { ref } from './schemas.ts';
import { profilesUnder } from './site-defaults.ts';

/** `POST /v1/imports`: what a document is read as. */
export function imports(app: FastifyInstance, profiles: HostProfiles, policies: Policies): void {
  app.post<{ Body: Descriptor; Querystring: HostQuery }>(
    '/v1/imports',
    {
      preValidation: async (request) => addHosts(request, request.query, profilesUnder(policies.for({}), profiles)),
      schema: {
        operationId: 'import',
        summary: 'Which descriptor does this document become, and where did each member of it come from?',
        description: 'Takes what `/v1/evaluations` takes, and judges nothing.',
        tags: ['evaluation'],
        querystring: { type: 'object', properties: hostParameters, additionalProperties: false },
        body: ref('Descriptor'),
        response: { 200: { description: 'The descriptor.', ...ref('ImportAnswer') }, '4xx': problemAnswer },
      },
    },
    ({ body, item }, reply) => {
      const faults = check(body);
      if (faults.length > 0) throw invalidRequest(faults);
      return reply.send(importAnswerOf(body, item as Item));
    },
  );
}

/** What `item`, whose descriptor is valid, was read as. */
export function importAnswerOf(body: Descriptor, { format, notes, origins }: Item): ImportAnswer {
  const known = origins();
  const unsaid = format === 'descriptor' ? 'as sent' : 'the document';
  const told = leavesOf(body).map((pointer) => [pointer, nearest(known, pointer)?.found ?? unsaid] as const);
  return { format, descriptor: body, origins: Object.fromEntries(told), notRead: [...notes] };
}

/** Lists that are told of as a whole: a guest may have mapped much. */
const WHOLE: ReadonlySet<string> = new Set(['mappings', 'pciBars']);

/** Pointers to the members that have no members. */
function leavesOf(node: unknown, at: Pointer = '', key = ''): Pointer[] {
  const members = typeof node === 'object' && node !== null && !WHOLE.has(key) ? Object.entries(node) : [];
  return members.length === 0 ? [at] : members.flatMap(([name, each]) => leavesOf(each, member(at, name), name));
}
