import { getHeapStatistics } from 'node:v8';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { LoadMetrics, Shed } from '../metrics/load-metrics.ts';
import { Problem, problemAnswer } from './problems.ts';
import { loop } from './turns.ts';

/** How many times the delay aimed at requests may wait if their queue only just began. */
const PATIENCE = 10;

/**
 * Whether a request that waited for so long is to be refused, where the queue has been there for `queuedFor` and the delay
 * aimed at is `delay`, all in milliseconds: the controlled delay of "Fail at Scale" (ACM Queue, 2015). A burst is waited for;
 * of a queue that stays only what waited less than the delay is answered, so that as much is as ever.
 */
export function isTooLate(waited: number, queuedFor: number, delay: number): boolean {
  const patience = delay * PATIENCE;
  return waited > (queuedFor > patience ? delay : patience);
}

/** A request whose body has at most this many bytes is small: how many there may be the number of connections bounds. */
const SMALL = 1 << 14;

/** What a body may come to once it is parsed, as a multiple of its bytes. */
const PARSED = 4;

/** How much of the heap large requests may hold together, and how much there is to be for each connection. */
const HELD_PART = 1 / 4;
const CONNECTION_BYTES = 1 << 17;

/** Routes whose requests count as large whatever is in them: small ones may be answered at length, or take long. */
const long: ReadonlySet<string | undefined> = new Set([
  '/v1/evaluations/batch',
  '/v1/placements',
  '/v1/replays',
  '/v1/simulations',
]);

/** What says whether the process is well is never shed. */
const exempt: ReadonlySet<string | undefined> = new Set(['/health/live', '/health/ready', '/metrics']);

/** How the document shows that a request was shed. */
const shedAnswer = {
  ...problemAnswer,
  description: 'There is more to answer than can be: ask again after as many seconds as Retry-After says.',
  headers: { 'retry-after': { type: 'integer', description: 'Seconds.' } },
};

declare module 'fastify' {
  interface FastifyRequest {
    /** Bytes that a large request holds: its body, parsed, and its answer as long as it is not read; 0 of a small one. */
    held: number;
  }
}

/**
 * Refuses what is too much, before a body is read; what is under way goes on. `delayMs` is how long requests may wait while
 * more come than can be answered; memory is shared out by how large the heap may become.
 */
export function shedLoad(app: FastifyInstance, metrics: LoadMetrics, delayMs: number): void {
  const heap = getHeapStatistics().heap_size_limit;
  let held = 0;
  const refuse = (reason: Shed, reply: FastifyReply): Problem => {
    metrics.shed(reason);
    void reply.header('retry-after', '1');
    return new Problem('overloaded', 'there is more to answer than can be; ask again in a second, or another replica');
  };
  /** Counts what a large request holds until it ends, if there is room for it. */
  const hasRoom = (request: FastifyRequest, reply: FastifyReply): boolean => {
    const bytes = bodyBytesOf(request);
    if (bytes <= SMALL && !long.has(request.routeOptions.url)) return true;
    if (held > heap * HELD_PART) return false;
    request.held = bytes * PARSED;
    held += request.held;
    reply.raw.once('close', () => (held -= request.held));
    return true;
  };

  app.decorateRequest('held', 0);
  app.addHook('onRoute', ({ url, schema }) => {
    if (schema && !schema.hide && !exempt.has(url)) {
      schema.response = { ...(schema.response as object | undefined), 503: shedAnswer };
    }
  });
  app.addHook('onRequest', (request, reply, done) => {
    if (exempt.has(request.routeOptions.url)) return done();
    loop.short((waited) => {
      if (reply.raw.destroyed) return false;
      const isLate = isTooLate(waited, loop.queuedFor, delayMs);
      const reason = isLate ? 'delay' : hasRoom(request, reply) ? null : 'memory';
      done(reason === null ? undefined : refuse(reason, reply));
      return reason === null;
    });
  });
  app.addHook('onSend', (request, _reply, payload, done) => {
    if (request.held > 0 && (typeof payload === 'string' || Buffer.isBuffer(payload))) {
      request.held += payload.length;
      held += payload.length;
    }
    done();
  });
  app.server.maxConnections = Math.floor(heap / CONNECTION_BYTES);
  app.server.on('connection', () => loop.accepted());
  app.server.on('drop', () => metrics.shed('connections'));
}

/** Bytes of the body that are to come at most. */
function bodyBytesOf({ headers, server }: FastifyRequest): number {
  const limit = server.initialConfig.bodyLimit ?? 0;
  if (headers['transfer-encoding'] !== undefined) return limit;
  return Math.min(Number(headers['content-length'] ?? 0), limit);
}
