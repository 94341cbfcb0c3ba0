import type { FastifyInstance, FastifyRequest } from 'fastify';
import Negotiator from 'negotiator';
import type { Metrics } from '../metrics/metrics.ts';
import { problemAnswer } from './problems.ts';

const status = {
  type: 'object',
  properties: { status: { type: 'string' } },
  required: ['status'],
  additionalProperties: false,
};

const tags = ['operations'];

/** Live: the process turns. Ready: it takes requests, which it stops to do before it stops. */
export function health(app: FastifyInstance): void {
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
          200: { description: 'They are.', ...status },
          503: { description: 'The service is stopping.', ...status },
        },
      },
    },
    (_request, reply) =>
      app.lifecycle.draining ? reply.code(503).send({ status: 'draining' }) : reply.send({ status: 'ready' }),
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
