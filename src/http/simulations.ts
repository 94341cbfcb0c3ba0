import type { FastifyInstance } from 'fastify';
import type { SimulationRequest } from '../descriptor/simulation.ts';
import { simulating } from '../evaluation/simulate.ts';
import type { Trace } from '../evaluation/trace.ts';
import { addHosts } from './host-facts.ts';
import type { HostProfiles } from './host-profiles.ts';
import type { Policies } from './policies.ts';
import { invalidRequest, problemAnswer } from './problems.ts';
import { ref } from './schemas.ts';
import { profilesUnder } from './site-defaults.ts';
import { inTurns } from './turns.ts';

/** `POST /v1/simulations`: what QEMU and the kernel do, step by step, when a guest acts. */
export function simulations(app: FastifyInstance, profiles: HostProfiles, policies: Policies): void {
  app.post<{ Body: SimulationRequest }>(
    '/v1/simulations',
    {
      preValidation: async (request) => addHosts(request, {}, profilesUnder(policies.for({}), profiles)),
      schema: {
        operationId: 'simulate',
        summary: 'What do QEMU and the kernel do to the DMA mappings when the guest acts?',
        description:
          'Runs the events one after the other and lists every map, unmap and query, with dirty bitmaps and results. Asked for ' +
          '`application/x-ndjson` it answers one line a step and a last line with the totals. The VM may be in an envelope.',
        tags: ['simulation'],
        body: ref('Simulation'),
        response: { 200: { description: 'The steps and what they came to.', ...ref('Trace') }, '4xx': problemAnswer },
      },
    },
    async (request, reply) => {
      const simulated = await inTurns(simulating(request.body), () => reply.raw.destroyed);
      if (simulated === null) return reply.hijack();
      if ('faults' in simulated) throw invalidRequest(simulated.faults);
      if (request.headers.accept?.includes('application/x-ndjson') !== true) return reply.send(simulated.trace);
      return reply.type('application/x-ndjson').send(lines(simulated.trace));
    },
  );
}

/** One line a step, then everything else. */
const lines = ({ trace, ...rest }: Trace): string =>
  [...trace, rest].map((line) => `${JSON.stringify(line)}\n`).join('');
