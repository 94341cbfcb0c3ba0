import type { FastifyInstance } from 'fastify';
import type { Metrics } from '../metrics/metrics.ts';

const health = {
  type: 'object',
  properties: { status: { type: 'string' } },
  required: ['status'],
  additionalProperties: false,
};

/** Health and metrics. Live: the process turns. Ready: it takes requests, which it stops to do before it stops. */
export function operations(app: FastifyInstance, metrics: Metrics): void {
  const tags = ['operations'];
  app.get(
    '/health/live',
    {
      schema: {
        operationId: 'live',
        summary: 'Whether the process answers',
        tags,
        response: { 200: { description: 'It does.', ...health } },
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
          200: { description: 'They are.', ...health },
          503: { description: 'The service is stopping.', ...health },
        },
      },
    },
    (_request, reply) =>
      app.lifecycle.draining ? reply.code(503).send({ status: 'draining' }) : reply.send({ status: 'ready' }),
  );
  app.get(
    '/metrics',
    {
      schema: {
        operationId: 'metrics',
        summary: 'Prometheus metrics',
        tags,
        response: {
          200: { description: 'Text exposition format.', content: { 'text/plain': { schema: { type: 'string' } } } },
        },
      },
    },
    async (_request, reply) => reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
}
