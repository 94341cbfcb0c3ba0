import type { FastifyInstance, FastifyRequest } from 'fastify';
import Negotiator from 'negotiator';
import type { Metrics } from '../metrics/metrics.ts';
import type { Policies } from './policies.ts';
import { problemAnswer } from './problems.ts';

const readiness = {
  type: 'object',
  properties: {
    status: { type: 'string' },
    policy: {
      type: 'object',
      description: 'Of the site, where there is one.',
      properties: {
        revision: { type: 'string', description: 'Of what is in force.' },
        stale: { type: 'boolean', description: 'The policy file is not good, so that what was last good is in force.' },
      },
      required: ['revision', 'stale'],
      additionalProperties: false,
    },
  },
  required: ['status'],
  additionalProperties: false,
};

const status = {
  type: 'object',
  properties: { status: { type: 'string' } },
  required: ['status'],
  additionalProperties: false,
};

const tags = ['operations'];

/** Live: the process turns. Ready: it takes requests, and no more once it is to stop. */
export function health(app: FastifyInstance, policies: Policies): void {
  app.get(
    '/health/live',
    {
      schema: {
        operationId: 'live',
        summary: 'Whether the process answers',
        tags,
        response: { 200: { description: 'It does.', ...status } },
      },
    },
    () => ({ status: 'live' }),
  );
  app.get(
    '/health/ready',
    {
      schema: {
        operationId: 'ready',
        summary: 'Whether new requests are welcome',
        tags,
        response: {
          200: { description: 'They are.', ...readiness },
          503: { description: 'The service is stopping.', ...readiness },
        },
      },
    },
    (_request, reply) => {
      const { draining } = app.lifecycle;
      const { revision, failure } = policies.status;
      const policy = revision !== null && { policy: { revision, stale: failure !== null } };
      return reply.code(draining ? 503 : 200).send({ status: draining ? 'draining' : 'ready', ...policy });
    },
  );
}

/** `GET /metrics`, for Prometheus. */
export function exposition(app: FastifyInstance, metrics: Metrics): void {
  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'metrics',
        summary: 'Prometheus metrics',
        tags,
        response: {
          200: {
            description:
              'By Accept: OpenMetrics, whose exemplars carry the `decisionId` of a decision, or the older text format.',
            content: { 'text/plain': text, [OPENMETRICS]: text },
          },
          '4xx': problemAnswer,
        },
      },
    },
    async (request, reply) => {
      const { type, text: body } = await (wantsOpenMetrics(request) ? metrics.openMetrics() : metrics.classic());
      return reply.header('vary', 'accept').type(type).send(body);
    },
  );
}

const OPENMETRICS = 'application/openmetrics-text';
const text = { schema: { type: 'string' } };

/** Parameters do not count: Prometheus asks for versions and for an escaping of names that need none here. */
const wantsOpenMetrics = ({ raw }: FastifyRequest): boolean =>
  new Negotiator(raw).mediaTypes().find((type) => type === 'text/plain' || type === OPENMETRICS) === OPENMETRICS;
