import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Server as TlsServer } from 'node:tls';
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyServerOptions,
  LogController,
} from 'fastify';
import { type Config, decisionLogOf, securityOf } from './config.ts';
import { factAt, facts } from './descriptor/questions.ts';
import { ruleset } from './evaluation/canonical.ts';
import { guard } from './http/access.ts';
import { Answers } from './http/answers.ts';
import { batch } from './http/batch.ts';
import { Reader } from './http/body.ts';
import { catalogue } from './http/catalogue.ts';
import { answerBrokenRequest, answerError, noteAnswered, refuseUnrouted } from './http/errors.ts';
import { envelopeParts } from './http/envelope.ts';
import { evaluations } from './http/evaluations.ts';
import { imports } from './http/imports.ts';
import type { Item } from './http/item.ts';
import { Lifecycle } from './http/lifecycle.ts';
import { shedLoad } from './http/load-shedding.ts';
import { openapi, withExamples, withScopes } from './http/openapi.ts';
import { exposition, health } from './http/operations.ts';
import { pageHeaders } from './http/page-headers.ts';
import { placements } from './http/placements.ts';
import { Policies } from './http/policies.ts';
import { policy } from './http/policy.ts';
import { openDecisionLog } from './http/remembering.ts';
import { replays } from './http/replays.ts';
import { namedSchemas, ref } from './http/schemas.ts';
import { loadObserver, secure } from './http/secured.ts';
import { simulations } from './http/simulations.ts';
import type { Tls } from './http/tls.ts';
import { traceIdOf } from './http/tracing.ts';
import { validators } from './http/validation.ts';
import { AccessMetrics } from './metrics/access-metrics.ts';
import { DecisionLogMetrics } from './metrics/decision-log-metrics.ts';
import { LoadMetrics } from './metrics/load-metrics.ts';
import { Metrics, SITE_RULES } from './metrics/metrics.ts';
import { PolicyMetrics } from './metrics/policy-metrics.ts';
import { policyRuleIds } from './policy/policy.ts';
import { catalogue as everyRule } from './rules/recognise.ts';

/** The package's own, beside `src` and beside `dist`. */
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

declare module 'fastify' {
  interface FastifyInstance {
    /** Whether the process is about to stop. */
    readonly lifecycle: Lifecycle;
    /** Health and metrics on a port of their own, if the configuration gives them one. */
    readonly operations: FastifyInstance | null;
    /** Reads certificates and clients anew; what is not good changes nothing, and is logged. Opens the decision log anew. */
    readonly reload: () => Promise<void>;
  }
  interface FastifyRequest {
    /** What the body was read as; `null` where there is none. */
    item: Item | null;
  }
  interface FastifyContextConfig {
    /** The route's requests take as long as there is something to answer. */
    readonly mayTakeLong?: true;
  }
}

/**
 * The service without a port: what tests inject into and `main` listens with.
 * @throws Error if a file that the configuration names is not good.
 */
export async function buildApp(config: Config, loggerInstance?: FastifyBaseLogger): Promise<FastifyInstance> {
  const counted = [...everyRule.map(({ id }) => id), ...policyRuleIds, SITE_RULES];
  const metrics = new Metrics({ ruleset, version, rules: counted, facts, factAt });
  const access = new AccessMetrics(metrics.registry);
  const secured = await secure(securityOf(config), access, loggerInstance);
  const observer = loadObserver(access, loggerInstance);
  const policies = await Policies.open(config.policyFile, observer, new PolicyMetrics(metrics.registry));
  const remembered = new DecisionLogMetrics(metrics.registry);
  const decisionLog = await openDecisionLog(decisionLogOf(config), remembered, loggerInstance);
  const lifecycle = new Lifecycle();
  const app = instance(config, secured.tls, loggerInstance);
  app.decorate('lifecycle', lifecycle);
  app.decorate('reload', async () => {
    decisionLog?.reopen();
    await Promise.all([secured.reload(), policies.reload()]);
  });
  app.addHook('onClose', async () => decisionLog?.close());
  app.addHook('onReady', async () => {
    secured.watch();
    policies.watch();
  });
  app.addHook('onClose', async () => {
    secured.unwatch();
    policies.unwatch();
  });
  if (app.server instanceof TlsServer) secured.tls?.serve(app.server);
  app.decorateRequest('item', null);
  const schemas = namedSchemas();
  for (const schema of schemas) app.addSchema(schema);
  const compile = validators(schemas);
  app.setValidatorCompiler(compile);
  // The schema of an answer is a contract that tests hold; JSON.stringify keeps the order of its members.
  app.setSerializerCompiler(() => JSON.stringify);
  const isDescriptor = compile({ schema: ref('Descriptor') });
  const reader = new Reader(compile({ schema: envelopeParts }));
  readBodies(app, reader);
  pageHeaders(app);
  observe(app, metrics, config, secured.tls);
  shedLoad(app, new LoadMetrics(metrics.registry), config.queueDelayMs);
  guard(app, secured.access);

  await app.register(swagger, {
    openapi,
    refResolver: { buildLocalReference: ({ $id }) => $id as string },
    transform: withScopes,
    transformObject: withExamples,
  });
  await app.register(swaggerUi, { routePrefix: '/docs' });
  const { hostProfiles: profiles } = config;
  const judging = {
    answers: new Answers(isDescriptor, decisionLog !== null),
    profiles,
    policies,
    metrics,
    decisionLog,
  };
  evaluations(app, reader, compile, judging);
  batch(app, reader, judging);
  imports(app, profiles, policies);
  placements(app, profiles, policies);
  policy(app, policies);
  simulations(app, profiles, policies);
  replays(app, { isLine: compile({ schema: ref('LoggedDecision') }), isDescriptor }, policies);
  catalogue(app);
  health(app, policies);
  const separate =
    config.operationsPort === null ? null : operationsApp(config, metrics, policies, lifecycle, loggerInstance);
  if (separate) app.addHook('onClose', () => separate.close());
  else exposition(app, metrics);
  app.decorate('operations', separate);
  app.get('/openapi.json', { schema: { hide: true } }, () => app.swagger());
  return app;
}

/** What is logged of a request names its trace. */
const inTrace: NonNullable<FastifyServerOptions['childLoggerFactory']> = (logger, { reqId }, options, { headers }) =>
  logger.child({ reqId, traceId: traceIdOf(headers['traceparent'], reqId as string) }, options);

/** Health and metrics as a server of their own, in plain HTTP: for probes and scrapers that have no certificate. */
function operationsApp(
  config: Config,
  metrics: Metrics,
  policies: Policies,
  lifecycle: Lifecycle,
  loggerInstance?: FastifyBaseLogger,
): FastifyInstance {
  const app = instance(config, null, loggerInstance);
  app.decorate('lifecycle', lifecycle);
  app.setSerializerCompiler(() => JSON.stringify);
  pageHeaders(app);
  observe(app, metrics, config, null);
  health(app, policies);
  exposition(app, metrics);
  return app;
}

/** A server without routes: how requests are read, answered when they are wrong, and logged. */
function instance(config: Config, tls: Tls | null, loggerInstance?: FastifyBaseLogger): FastifyInstance {
  // Node holds the whole request to its timeout only if the headers have no longer one, and looks each 30 s by default.
  const times = { headersTimeout: config.requestTimeoutMs, connectionsCheckingInterval: 1000 };
  const app = fastify({
    ...(loggerInstance && { loggerInstance, childLoggerFactory: inTrace }),
    genReqId: () => randomUUID(),
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: config.bodyLimit,
    requestTimeout: config.requestTimeoutMs,
    connectionTimeout: config.connectionTimeoutMs,
    keepAliveTimeout: config.keepAliveTimeoutMs,
    // A request that comes while the service stops is answered like any other, and its connection closed.
    return503OnClosing: false,
    frameworkErrors: answerError,
    clientErrorHandler: answerBrokenRequest,
    ...(tls
      ? { https: { ...tls.serverOptions, ...times, handshakeTimeout: config.requestTimeoutMs } }
      : { http: times }),
  });
  app.setErrorHandler(answerError);
  return app;
}

/** Any body becomes a descriptor, whatever type it was sent as; curl sends its own. */
function readBodies(app: FastifyInstance, reader: Reader): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string' }, (request, body, done) => {
    try {
      const [item] = reader.items(body as string, request.headers['content-type'] ?? '', 'one');
      request.item = item ?? null;
      done(null, item?.descriptor);
    } catch (error) {
      done(error as Error);
    }
  });
}

/**
 * Every answer names its request, and ends its connection once the service stops or has new certificates. Metrics carry
 * the traffic; only what is slow is logged.
 */
function observe(app: FastifyInstance, metrics: Metrics, { slowRequestMs }: Config, tls: Tls | null): void {
  app.addHook('onRequest', (request, reply, done) => {
    metrics.beginRequest();
    // Of whatever becomes of it: a client may be gone before it is answered.
    reply.raw.once('close', () => metrics.endRequest());
    void reply.header('x-request-id', request.id);
    if (request.is404) refuseUnrouted(request, reply);
    done();
  });
  app.addHook('onSend', ({ raw }, reply, _payload, done) => {
    // A connection that stayed open would keep the process from stopping, or in touch with who is trusted no more.
    if (app.lifecycle.draining || tls?.isOutdated(raw.socket)) void reply.header('connection', 'close');
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    noteAnswered(request);
    const { method, routeOptions } = request;
    const milliseconds = reply.elapsedTime;
    const route = routeOptions.url ?? 'none';
    metrics.observeRequest(method, route, reply.statusCode, milliseconds / 1000);
    if (milliseconds > slowRequestMs && !routeOptions.config.mayTakeLong)
      request.log.warn(
        { client: request.clientName ?? undefined, method, route, status: reply.statusCode, milliseconds },
        'slow request',
      );
    done();
  });
}
