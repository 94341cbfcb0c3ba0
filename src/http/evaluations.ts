import type { FastifyInstance, FastifyRequest } from 'fastify';
import { check } from '../descriptor/check.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { emptyBody, invalidRequest, type Place } from './problems.ts';
import { ref } from './schemas.ts';

/** Host facts that a format may lack, as query parameters. */
const HOST_PARAMETERS = ['qemu', 'kernel', 'libvirt'] as const;

type Query = { readonly [Name in (typeof HOST_PARAMETERS)[number]]?: string } & { readonly include?: 'clear' };

const querystring = {
  type: 'object',
  properties: {
    qemu: { ...ref('Version'), description: 'Version of QEMU on the source, where the body does not say it.' },
    kernel: { ...ref('Version'), description: 'Version of Linux on the source, where the body does not say it.' },
    libvirt: { ...ref('Version'), description: 'Version of libvirt on the source, where the body does not say it.' },
    include: { type: 'string', enum: ['clear'], description: 'List the rules that do not fire, too.' },
  },
  additionalProperties: false,
};

/** `POST /v1/evaluations`: one VM, one decision. */
export function evaluations(app: FastifyInstance, metrics: Metrics): void {
  app.post<{ Body: Descriptor; Querystring: Query }>(
    '/v1/evaluations',
    {
      preValidation: async (request) => addHostFacts(request),
      schema: {
        operationId: 'evaluate',
        summary: 'Can this VM be migrated, what refuses it, and what would DMA unmaps cost?',
        description: 'A verdict is data: `blocked` is answered with 200.',
        tags: ['evaluation'],
        querystring,
        body: ref('Descriptor'),
        response: { 200: { description: 'The decision.', ...ref('Decision') }, '4xx': problemAnswer },
      },
    },
    (request, reply) => {
      const faults = check(request.body);
      if (faults.length > 0) throw invalidRequest(faults);
      const begun = performance.now();
      const decision = evaluate(request.body, {
        includeClear: request.query.include === 'clear',
        notChecked: request.importNotes,
      });
      metrics.observeDecision(decision, (performance.now() - begun) / 1000);
      void reply.header('preflight-verdict', decision.verdict);
      return reply.send(decision);
    },
  );
}

/** A problem as OpenAPI shows it. */
export const problemAnswer = {
  description: 'What is wrong, and where.',
  content: { 'application/problem+json': { schema: ref('Problem') } },
};

/** Puts the query's host facts into the body, which there must be and which must not say otherwise. */
function addHostFacts(request: FastifyRequest): void {
  const { body } = request;
  if (body === undefined) throw emptyBody();
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return;
  const query = request.query as Readonly<Record<string, unknown>>;
  const facts = HOST_PARAMETERS.filter((name) => query[name] !== undefined);
  if (facts.length === 0) return;
  const { source = {} } = body as { source?: Readonly<Record<string, unknown>> };
  if (typeof source !== 'object' || source === null) return;
  const clashes: Place[] = facts
    .filter((name) => source[name] !== undefined && source[name] !== query[name])
    .map((name) => ({ parameter: name, detail: `the body says otherwise at /source/${name}` }));
  if (clashes.length > 0) throw invalidRequest(clashes);
  request.body = { ...body, source: { ...source, ...Object.fromEntries(facts.map((name) => [name, query[name]])) } };
}
