import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Refusal } from '../metrics/access-metrics.ts';
import type { Client, Clients, Scope } from './clients.ts';
import { Problem } from './problems.ts';
import type { Reloading } from './reloading.ts';
import { peerOf } from './tls.ts';

/**
 * What routes ask for, by their pattern. The open ones say what anybody can read in the source, or whether the service
 * is well. A route that is not listed needs `evaluate`, so that a new one is not open by mistake.
 */
const needed: Readonly<Record<string, Scope | 'none'>> = {
  '/health/live': 'none',
  '/health/ready': 'none',
  '/openapi.json': 'none',
  '/v1/platforms': 'none',
  '/v1/rules': 'none',
  '/v1/rules/:id': 'none',
  '/v1/evaluations/batch': 'batch',
  '/v1/replays': 'batch',
  '/metrics': 'metrics',
};

/** The scope that the route `pattern` asks for; the interactive documentation has many routes. */
export const scopeOf = (pattern: string): Scope | 'none' =>
  needed[pattern] ?? (/^\/docs(?:\/|$)/.test(pattern) ? 'none' : 'evaluate');

/** Who may ask, and how much at a time. */
export interface Access {
  /** Null: whoever reaches the service. */
  readonly clients: Reloading<Clients> | null;
  /** How many requests of a client may be under way at a time. */
  readonly concurrency: number;
  readonly onRefusal: (reason: Refusal) => void;
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The name of who asks, where it is known. */
    clientName: string | null;
  }
}

/** Lets through, before a body is read, only who may ask what is asked, and only so much of it at a time. */
export function guard(app: FastifyInstance, access: Access): void {
  const underWay = new Map<string, number>();
  app.decorateRequest('clientName', null);
  app.addHook('onRequest', (request, reply, done) => {
    const scope = scopeOf(request.routeOptions.url ?? '');
    if (scope !== 'none') {
      if (access.clients) admit(request, reply, scope, access.clients.current, access.onRefusal);
      hold(request, reply, underWay, access);
    }
    done();
  });
}

function admit(
  request: FastifyRequest,
  reply: FastifyReply,
  scope: Scope,
  clients: Clients,
  onRefusal: Access['onRefusal'],
): void {
  const refuse = (reason: Refusal, type: 'unauthorized' | 'forbidden', detail: string, challenge: string): never => {
    onRefusal(reason);
    request.log.debug({ reason, client: request.clientName }, 'refused');
    void reply.header('www-authenticate', `Bearer realm="migration-preflight"${challenge}`);
    throw new Problem(type, detail);
  };
  const client = identified(request, clients, (detail, challenge) =>
    refuse(challenge ? 'invalid-credentials' : 'no-credentials', 'unauthorized', detail, challenge),
  );
  request.clientName = client.name;
  if (client.scopes.has(scope)) return;
  const challenge = `, error="insufficient_scope", scope="${scope}"`;
  refuse('scope', 'forbidden', `${client.name} lacks the scope "${scope}" that this needs`, challenge);
}

const INVALID = ', error="invalid_token"';

/** Who asks, by their token or else by their certificate; `refuse` is told what to say, and in the terms of RFC 6750. */
function identified(
  request: FastifyRequest,
  clients: Clients,
  refuse: (detail: string, challenge: string) => never,
): Client {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const [, token] = /^bearer +([\w.~+/-]+=*)$/i.exec(authorization) ?? [];
    if (token === undefined) return refuse('the Authorization header must be "Bearer" and a token', INVALID);
    return clients.byToken(token) ?? refuse('nobody has this token', INVALID);
  }
  const peer = peerOf(request.raw.socket);
  if (peer === null) return refuse('this needs a bearer token or a client certificate', '');
  if ('error' in peer) return refuse(`the client certificate does not count: ${peer.error}`, INVALID);
  return clients.byCertificate(peer.names) ?? refuse(`nobody has a certificate of ${peer.names.join(', ')}`, INVALID);
}

/** Counts the request as under way until its connection or its answer ends. */
function hold(
  request: FastifyRequest,
  reply: FastifyReply,
  underWay: Map<string, number>,
  { concurrency, onRefusal }: Access,
): void {
  // No name has a blank in it.
  const client = request.clientName ?? `at ${request.ip}`;
  const others = underWay.get(client) ?? 0;
  if (others >= concurrency) {
    onRefusal('concurrency');
    void reply.header('retry-after', '1');
    throw new Problem('too-many-requests', `${others} requests of this client are under way already`);
  }
  underWay.set(client, others + 1);
  // Unlike `finish` it comes whichever side ends it.
  reply.raw.once('close', () => {
    const left = (underWay.get(client) ?? 1) - 1;
    if (left > 0) underWay.set(client, left);
    else underWay.delete(client);
  });
}
