import { randomUUID } from 'node:crypto';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { Config } from './config.ts';
import { ruleset } from './evaluation/canonical.ts';
import { readBody } from './http/body.ts';
import { answerBrokenRequest, answerError, refuseUnrouted } from './http/errors.ts';
import { evaluations } from './http/evaluations.ts';
import { openapi, withExamples } from './http/openapi.ts';
import { operations } from './http/operations.ts';
import { namedSchemas } from './http/schemas.ts';
import { simulations } from './http/simulations.ts';
import { validators } from './http/validation.ts';
import { Metrics } from './metrics/metrics.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether the process is about to stop. */
    readonly lifecycle: { draining: boolean };
  }
  interface FastifyRequest {
    /** What the body's format says that no rule reads. */
    importNotes: readonly string[];
  }
}

/** The service without a port: what tests inject into and `main` listens with. */
export async function buildApp(config: Config, loggerInstance?: FastifyBaseLogger): Promise<FastifyInstance> {
  const app = fastify({
    ...(loggerInstance && { loggerInstance }),
    genReqId: () => randomUUID(),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: config.bodyLimit,
    requestTimeout: config.requestTimeoutMs,
    // Node holds the whole request to its timeout only if the headers have no longer one, and looks each 30 s by default.
    http: { headersTimeout: config.requestTimeoutMs, connectionsCheckingInterval: 1000 },
    connectionTimeout: config.connectionTimeoutMs,
    keepAliveTimeout: config.keepAliveTimeoutMs,
    // A request that comes while the service stops is answered like any other, and its connection closed.
    return503OnClosing: false,
    frameworkErrors: answerError,
    clientErrorHandler: answerBrokenRequest,
  });
  const metrics = new Metrics(ruleset);
  app.decorate('lifecycle', { draining: false });
  app.decorateRequest('importNotes');
  const schemas = namedSchemas();
  for (const schema of schemas) app.addSchema(schema);
  app.setValidatorCompiler(validators(schemas));
  // The schema of an answer is a contract that tests hold; JSON.stringify keeps the order of its members.
  app.setSerializerCompiler(() => JSON.stringify);
  readBodies(app);
  app.setErrorHandler(answerError);
  observe(app, metrics, config);

  await app.register(swagger, {
    openapi,
    refResolver: { buildLocalReference: ({ $id }) => $id as string },
    transformObject: withExamples,
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  evaluations(app, metrics);
  simulations(app);
  operations(app, metrics);
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  return app;
}

/** Any body becomes a descriptor, whatever type it was sent as; curl sends its own. */
function readBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => {
    try {
      const { descriptor, notes } = readBody(body as string, request.headers['content-type'] ?? '');
      request.importNotes = notes;
      done(null, descriptor);
    } catch (error) {
      done(error as Error);
    }
  });
}

/**
 * Every answer names its request, and ends its connection once the service stops. Metrics carry the traffic; only what is
 * slow is logged.
 */
function observe(app: FastifyInstance, metrics: Metrics, { slowRequestMs }: Config): void {
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
    if (request.is404) refuseUnrouted(request, reply);
    done();
  });
  app.addHook('onSend', (_request, reply, _payload, done) => {
    // A connection that stayed open would keep the process from stopping.
    if (app.lifecycle.draining) void reply.header('connection', 'close');
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { method, routeOptions } = request;
    const milliseconds = reply.elapsedTime;
    const route = routeOptions.url ?? 'none';
    metrics.observeRequest(method, route, reply.statusCode, milliseconds / 1000);
    if (milliseconds > slowRequestMs)
      request.log.warn({ method, route, status: reply.statusCode, milliseconds }, 'slow request');
    done();
  });
}
