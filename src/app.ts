import { randomUUID } from 'node:crypto';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, { type FastifyBaseLogger, type FastifyError, type FastifyInstance, LogController } from 'fastify';
import type { Config } from './config.ts';
import { ruleset } from './evaluation/canonical.ts';
import { readBody } from './http/body.ts';
import { evaluations } from './http/evaluations.ts';
import { openapi, withExamples } from './http/openapi.ts';
import { operations } from './http/operations.ts';
import { invalidRequest, Problem } from './http/problems.ts';
import { namedSchemas } from './http/schemas.ts';
import { faultsOf } from './http/validation.ts';
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
    connectionTimeout: config.connectionTimeoutMs,
    keepAliveTimeout: config.keepAliveTimeoutMs,
    // Nothing is coerced and no unknown member is dropped: what is wrong is said.
    ajv: {
      customOptions: {
        coerceTypes: false,
        removeAdditional: false,
        useDefaults: false,
        allErrors: true,
        verbose: true,
      },
    },
  });
  const metrics = new Metrics(ruleset);
  app.decorate('lifecycle', { draining: false });
  app.decorateRequest('importNotes');
  for (const schema of namedSchemas()) app.addSchema(schema);
  // The schema of an answer is a contract that tests hold; JSON.stringify keeps the order of its members.
  app.setSerializerCompiler(() => JSON.stringify);
  readBodies(app);
  answerProblems(app);
  observe(app, metrics, config);

  await app.register(swagger, {
    openapi,
    refResolver: { buildLocalReference: ({ $id }) => $id as string },
    transformObject: withExamples,
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  evaluations(app, metrics);
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

function answerProblems(app: FastifyInstance): void {
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const problem = problemOf(error);
    if (problem.status >= 500) request.log.error({ err: error, url: request.url }, 'request failed');
    return reply.code(problem.status).type('application/problem+json').send(problem.body(request.id));
  });
  app.setNotFoundHandler((request, reply) => {
    const url = request.url.split('?', 1)[0] ?? '';
    const allowed = (['GET', 'POST'] as const).filter((method) => app.hasRoute({ url, method }));
    if (allowed.length === 0) throw new Problem('not-found', `no ${url} here`);
    void reply.header('allow', allowed.join(', '));
    throw new Problem('method-not-allowed', `${url} takes ${allowed.join(', ')}`);
  });
}

function problemOf(error: FastifyError | Problem): Problem {
  if (error instanceof Problem) return error;
  if (error.validation) return invalidRequest(faultsOf(error.validation, error.validationContext));
  switch (error.statusCode) {
    case 413:
      return new Problem('body-too-large', error.message);
    case 415:
      return new Problem('unsupported-media-type', error.message);
    case 503:
      return new Problem('unavailable', error.message);
    case undefined:
    default:
      return error.statusCode !== undefined && error.statusCode < 500
        ? new Problem('bad-request', error.message)
        : new Problem('internal-error', 'the service failed; its log has the request id');
  }
}

/** Every answer names its request. Metrics carry the traffic; only what is slow is logged. */
function observe(app: FastifyInstance, metrics: Metrics, { slowRequestMs }: Config): void {
  app.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id);
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
