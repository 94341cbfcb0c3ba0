import type { FastifyInstance, FastifyRequest } from 'fastify';
import { check } from '../descriptor/check.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { parseVersion } from '../platform/version.ts';
import { emptyBody, invalidRequest, type Place, problemAnswer } from './problems.ts';
import { ref } from './schemas.ts';

/** Host facts that a format may lack, as query parameters. */
const HOST_PARAMETERS = ['qemu', 'kernel', 'libvirt'] as const;

type Query = { readonly [Name in (typeof HOST_PARAMETERS)[number]]?: string } & { readonly include?: 'clear' };

/** A description beside a `$ref` would be lost in the document. */
const versionOf = (what: string): object => ({
  allOf: [ref('Version')],
  description: `Version of ${what} on the source, where the body does not say it.`,
});

const querystring = {
  type: 'object',
  properties: {
    qemu: versionOf('QEMU'),
    kernel: versionOf('Linux'),
    libvirt: versionOf('libvirt'),
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

/** Puts the query's host facts into the body, which there must be and which must not say otherwise. */
function addHostFacts(request: FastifyRequest): void {
  const { body } = request;
  if (body === undefined) throw emptyBody();
  if (!isObject(body)) return;
  const { source = {} } = body;
  if (!isObject(source)) return;
  const query = request.query as Readonly<Record<string, unknown>>;
  const names = HOST_PARAMETERS.filter((name) => query[name] !== undefined);
  const faults = names.flatMap((name): Place[] => {
    const text = query[name];
    if (typeof text !== 'string' || parseVersion(text) === null) {
      return [{ parameter: name, detail: 'must be one version such as "10.2.2"' }];
    }
    const isSame = source[name] === undefined || source[name] === text;
    return isSame ? [] : [{ parameter: name, detail: `the body says otherwise at /source/${name}` }];
  });
  if (faults.length > 0) throw invalidRequest(faults);
  if (names.length === 0) return;
  request.body = { ...body, source: { ...source, ...Object.fromEntries(names.map((name) => [name, query[name]])) } };
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
