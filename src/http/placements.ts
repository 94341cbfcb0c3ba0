import { setImmediate } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { check } from '../descriptor/check.ts';
import { placementsOf } from '../evaluation/placements.ts';
import type { PlacementRequest } from '../evaluation/placements-schema.ts';
import { placementsText } from '../report/placements-text.ts';
import { color, format, inkOf, jsonOrText, sendAs } from './format.ts';
import { invalidRequest, problemAnswer } from './problems.ts';
import { ref } from './schemas.ts';

/** Milliseconds after which other requests get their turn. */
const SLICE_MS = 10;

interface Query {
  readonly format?: 'json' | 'text';
  readonly color?: 'always' | 'never';
}

/** `POST /v1/placements`: one VM, many destinations, a verdict each. */
export function placements(app: FastifyInstance): void {
  app.post<{ Body: PlacementRequest; Querystring: Query }>(
    '/v1/placements',
    {
      schema: {
        operationId: 'place',
        summary: 'Which of these hosts can the VM be migrated to, and what is against the others?',
        description:
          'Each candidate has the verdict that `/v1/evaluations` gives with it for the destination. A candidate that says ' +
          'something impossible is listed as such and keeps no other from its answer.',
        tags: ['evaluation'],
        body: ref('PlacementRequest'),
        querystring: { type: 'object', properties: { format, color }, additionalProperties: false },
        response: { 200: jsonOrText('The candidates, best first.', ref('Placements')), '4xx': problemAnswer },
      },
    },
    async (request, reply) => {
      const { candidates: _, ...vm } = request.body;
      const faults = check(vm);
      if (faults.length > 0) throw invalidRequest(faults);
      const placed = await inSlices(placementsOf(request.body));
      return sendAs(request, reply, placed, (each) => placementsText(each, inkOf(request.query.color)));
    },
  );
}

/** Runs `steps` to their end, and lets others in between. */
async function inSlices<T>(steps: Iterator<undefined, T>): Promise<T> {
  const until = performance.now() + SLICE_MS;
  do {
    const step = steps.next();
    if (step.done) return step.value;
  } while (performance.now() < until);
  await setImmediate();
  return inSlices(steps);
}
