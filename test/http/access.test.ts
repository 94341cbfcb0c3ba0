import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Writable } from 'node:stream';
import type { FastifyInstance, InjectOptions } from 'fastify';
import pino from 'pino';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { scopeOf } from '../../src/http/access.ts';
import { examples } from '../../src/http/examples.ts';
import { Files } from '../e2e/certificates.ts';

const files = new Files();
afterAll(() => files.remove());

const tokens = {
  all: 'token-of-all',
  evaluate: 'token-of-evaluate',
  batch: 'token-of-batch',
  metrics: 'token-of-metrics',
};
const hash = (token: string): string => createHash('sha256').update(token).digest('hex');
const clients = Object.entries(tokens).map(
  ([name, token]) => `${name} ${name === 'all' ? 'evaluate,batch,metrics' : name} sha256:${hash(token)}\n`,
);
const CLIENTS_FILE = files.write('clients', clients.join(''));

const apps: FastifyInstance[] = [];
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

interface Service {
  readonly app: FastifyInstance;
  readonly log: readonly string[];
}

/** A service with a list of clients, and every line of its log; for the time of a test. */
async function service(env: Readonly<Record<string, string>> = {}): Promise<Service> {
  const started = await start(env);
  apps.push(started.app);
  return started;
}

async function start(env: Readonly<Record<string, string>>): Promise<Service> {
  const log: string[] = [];
  const stream = new Writable({
    write(line, _encoding, done) {
      log.push(String(line));
      done();
    },
  });
  return { app: await buildApp(readConfig({ CLIENTS_FILE, ...env }), pino({ level: 'trace' }, stream)), log };
}

/** One for all tests that leave no trace in it. */
const shared = start({});
afterAll(async () => (await shared).app.close());

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const question = examples['domain-switch']?.request as object;
const evaluation: InjectOptions = { method: 'POST', url: '/v1/evaluations', payload: question };
const batch: InjectOptions = { method: 'POST', url: '/v1/evaluations/batch', payload: [question] };
const metrics: InjectOptions = { method: 'GET', url: '/metrics' };

describe('each route asks for', () => {
  const asked = {
    '/health/live': 'none',
    '/health/ready': 'none',
    '/metrics': 'metrics',
    '/v1/evaluations': 'evaluate',
    '/v1/evaluations/batch': 'batch',
    '/v1/imports': 'evaluate',
    '/v1/placements': 'evaluate',
    '/v1/platforms': 'none',
    '/v1/policy': 'evaluate',
    '/v1/replays': 'batch',
    '/v1/rules': 'none',
    '/v1/rules/{id}': 'none',
    '/v1/simulations': 'evaluate',
  };

  it('what this table says, and the document', async () => {
    const { app } = await shared;
    const { paths } = (await app.inject('/openapi.json')).json<{
      paths: Record<string, Record<string, { security: unknown[] }>>;
    }>();
    const documented = Object.entries(paths).map(([path, operations]) => {
      const [operation] = Object.values(operations);
      const [, wanted] = (operation?.security ?? []) as { bearer?: string[] }[];
      return [path, wanted?.bearer?.[0] ?? 'none'];
    });
    expect(Object.fromEntries(documented)).toEqual(asked);
  });

  it.each([
    ['/v1/not-written-yet', 'evaluate'],
    ['', 'evaluate'],
    ['/docsx', 'evaluate'],
    ['/docs', 'none'],
    ['/docs/static/*', 'none'],
    ['/openapi.json', 'none'],
  ])('%j: %s', (pattern, scope) => {
    expect(scopeOf(pattern)).toBe(scope);
  });
});

describe('a service without a list of clients', () => {
  const open = buildApp(readConfig({}));
  afterAll(async () => (await open).close());

  it.each([evaluation, batch, metrics])('answers $method $url to anybody', async (request) => {
    const app = await open;
    expect((await app.inject(request)).statusCode).toBe(200);
    expect((await app.inject({ ...request, headers: bearer('whatever') })).statusCode).toBe(200);
  });
});

describe('a service with a list of clients answers', () => {
  it.each([
    [evaluation, tokens.evaluate],
    [batch, tokens.batch],
    [metrics, tokens.metrics],
    [{ ...metrics, method: 'HEAD' as const }, tokens.metrics],
    [evaluation, tokens.all],
    [batch, tokens.all],
    [metrics, tokens.all],
  ])('%j to %s', async (request, token) => {
    const { app } = await shared;
    expect((await app.inject({ ...request, headers: bearer(token) })).statusCode).toBe(200);
    expect((await app.inject({ ...request, headers: { authorization: `bEARER  ${token}` } })).statusCode).toBe(200);
  });

  it.each([
    '/health/live',
    '/health/ready',
    '/v1/rules',
    '/v1/rules/vfio-viommu',
    '/v1/platforms',
    '/openapi.json',
    '/docs/',
  ])('%s to anybody', async (url) => {
    const { app } = await shared;
    expect((await app.inject({ url })).statusCode).toBe(200);
    expect((await app.inject({ url, headers: bearer('wrong') })).statusCode).toBe(200);
  });
});

describe('a service with a list of clients refuses', () => {
  const realm = 'Bearer realm="migration-preflight"';
  const invalid = `${realm}, error="invalid_token"`;
  const insufficient = (scope: string): string => `${realm}, error="insufficient_scope", scope="${scope}"`;
  const form = 'the Authorization header must be "Bearer" and a token';

  it.each([
    ['nobody', evaluation, undefined, 401, realm, 'this needs a bearer token or a client certificate'],
    ['nobody', batch, undefined, 401, realm, 'this needs a bearer token or a client certificate'],
    ['nobody', metrics, undefined, 401, realm, 'this needs a bearer token or a client certificate'],
    ['a token of nobody', evaluation, 'Bearer wrong', 401, invalid, 'nobody has this token'],
    ['the hash for the token', evaluation, `Bearer ${hash(tokens.all)}`, 401, invalid, 'nobody has this token'],
    ['no token', evaluation, 'Bearer ', 401, invalid, form],
    ['an empty header', evaluation, '', 401, invalid, form],
    ['a token without Bearer', evaluation, tokens.all, 401, invalid, form],
    ['two tokens', evaluation, `Bearer ${tokens.all} ${tokens.all}`, 401, invalid, form],
    ['a password', evaluation, 'Basic bm92YTpub3Zh', 401, invalid, form],
    ['the wrong scope', evaluation, `Bearer ${tokens.batch}`, 403, insufficient('evaluate'), 'batch lacks the scope'],
    ['the wrong scope', batch, `Bearer ${tokens.evaluate}`, 403, insufficient('batch'), 'evaluate lacks the scope'],
    ['the wrong scope', metrics, `Bearer ${tokens.evaluate}`, 403, insufficient('metrics'), 'evaluate lacks the scope'],
  ])('%s: %j with %j', async (_who, request, authorization, status, challenge, detail) => {
    const { app } = await shared;
    const headers = authorization === undefined ? {} : { authorization };
    const answer = await app.inject({ ...request, headers });
    expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([status, challenge]);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    const type = `urn:migration-preflight:problem:${status === 401 ? 'unauthorized' : 'forbidden'}`;
    expect(answer.json()).toMatchObject({ type, status, detail: expect.stringContaining(detail) as string });
  });

  it('before it reads the body', async () => {
    const { app } = await service({ BODY_LIMIT: '1024' });
    const long: InjectOptions = { ...evaluation, payload: 'x'.repeat(2000) };
    expect((await app.inject({ ...long, headers: bearer('wrong') })).statusCode).toBe(401);
    expect((await app.inject({ ...long, headers: bearer(tokens.all) })).statusCode).toBe(413);
  });

  it('and counts why', async () => {
    const { app } = await service();
    await app.inject(evaluation);
    await app.inject({ ...evaluation, headers: bearer('wrong') });
    await app.inject({ ...evaluation, headers: bearer('wrong') });
    await app.inject({ ...evaluation, headers: bearer(tokens.metrics) });
    const lines = (await app.inject({ ...metrics, headers: bearer(tokens.metrics) })).payload.split('\n');
    expect(lines.filter((line) => line.startsWith('preflight_refused_requests_total'))).toEqual([
      'preflight_refused_requests_total{reason="no-credentials"} 1',
      'preflight_refused_requests_total{reason="invalid-credentials"} 2',
      'preflight_refused_requests_total{reason="scope"} 1',
      'preflight_refused_requests_total{reason="concurrency"} 0',
      'preflight_refused_requests_total{reason="tls"} 0',
    ]);
  });

  it('a token from when its line is gone, and knows a new one', async () => {
    const path = files.write('changing', `nova evaluate sha256:${hash('old')}`);
    const { app } = await service({ CLIENTS_FILE: path });
    const statuses = (): Promise<number[]> =>
      Promise.all(
        ['old', 'new'].map(async (token) => (await app.inject({ ...evaluation, headers: bearer(token) })).statusCode),
      );
    expect(await statuses()).toEqual([200, 401]);
    files.write('changing', `nova evaluate sha256:${hash('new')}`);
    await app.reload();
    expect(await statuses()).toEqual([401, 200]);
    files.write('changing', 'nova evaluate new');
    await app.reload();
    expect(await statuses()).toEqual([401, 200]);
  });
});

describe('a client has so many requests under way and no more', () => {
  const body = '{"vm":{}}';

  interface Begun {
    readonly socket: Socket;
    /** Of the service, once there is one. */
    readonly answer: Promise<string>;
  }

  /** Begins to ask; the body is still to come. */
  async function begin(app: FastifyInstance, headers: Readonly<Record<string, string>>): Promise<Begun> {
    const { port } = app.server.address() as AddressInfo;
    const socket = connect(port, '127.0.0.1');
    const length = String(body.length);
    const lines = Object.entries({ host: 'localhost', 'content-length': length, expect: '100-continue', ...headers });
    socket.write(`POST /v1/evaluations HTTP/1.1\r\n${lines.map((line) => line.join(': ')).join('\r\n')}\r\n\r\n`);
    const [said] = (await once(socket, 'data')) as [Buffer];
    // Node asks for the body of any request, even if it is refused in the same breath.
    const rest = String(said).replace('HTTP/1.1 100 Continue\r\n\r\n', '');
    return { socket, answer: rest === '' ? once(socket, 'data').then(String) : Promise.resolve(rest) };
  }

  async function ask(app: FastifyInstance, headers: Readonly<Record<string, string>>): Promise<string> {
    const { socket, answer } = await begin(app, headers);
    socket.write(body);
    const said = await answer;
    socket.destroy();
    return said;
  }

  it.each([
    ['by its name', { CLIENTS_FILE }, bearer(tokens.all), bearer(tokens.evaluate)],
    ['by its address, which all have in common', { CLIENTS_FILE: undefined }, {}, null],
  ])('%s', async (_how, env, headers, others) => {
    const app = await buildApp(readConfig({ ...env, CLIENT_CONCURRENCY: '2' }));
    apps.push(app);
    await app.listen({ host: '127.0.0.1', port: 0 });
    const [first, second] = [await begin(app, headers), await begin(app, headers)];
    expect(await ask(app, headers)).toMatch(/^HTTP\/1\.1 429 .*^retry-after: 1\r$.*problem:too-many-requests/ms);
    if (others) expect(await ask(app, others)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await ask(app, headers)).toMatch(/^HTTP\/1\.1 429 /);
    // What is answered makes room, and so does what its client gives up.
    first.socket.write(body);
    expect(await first.answer).toMatch(/^HTTP\/1\.1 400 /);
    const third = await begin(app, headers);
    expect(await ask(app, headers)).toMatch(/^HTTP\/1\.1 429 /);
    second.answer.catch(() => undefined);
    second.socket.destroy();
    await expect.poll(() => ask(app, headers), { timeout: 30_000 }).toMatch(/^HTTP\/1\.1 400 /);
    for (const { socket, answer } of [first, third]) {
      answer.catch(() => undefined);
      socket.destroy();
    }
  });
});

describe('what is said of a request', () => {
  const trace = '0af7651916cd43dd8448eb211c80319c';
  const traceparent = `00-${trace}-b7ad6b7169203331-01`;

  it('names its trace: the problem that is answered, and each line of the log', async () => {
    const { app, log } = await service({ SLOW_REQUEST_MS: '0' });
    app.get('/v1/broken', () => {
      throw new Error('out of order');
    });
    const headers = { ...bearer(tokens.all), traceparent };
    const broken = await app.inject({ url: '/v1/broken', headers });
    expect(broken.json()).toMatchObject({ status: 500, traceId: trace });
    const lines = log.map((line) => JSON.parse(line) as Record<string, unknown>);
    const reqId = broken.headers['x-request-id'];
    expect(lines.filter((line) => 'reqId' in line)).toMatchObject([
      { msg: 'request failed', traceId: trace, reqId, client: 'all' },
      { msg: 'slow request', traceId: trace, reqId, client: 'all' },
    ]);
  });

  it('names a trace of its own where the caller has none that is valid', async () => {
    const { app } = await shared;
    const answer = await app.inject({ url: '/v1/nowhere', headers: { traceparent: traceparent.toUpperCase() } });
    const { traceId, instance } = answer.json<{ traceId: string; instance: string }>();
    expect(instance).toBe(answer.headers['x-request-id']);
    expect(traceId).toBe(instance.replaceAll('-', ''));
  });

  it('is the id of the decision, beside the verdict', async () => {
    const { app } = await shared;
    const answer = await app.inject({ ...evaluation, headers: bearer(tokens.all) });
    const { decisionId, verdict } = answer.json<{ decisionId: string; verdict: string }>();
    expect(decisionId).not.toBe('');
    expect(answer.headers).toMatchObject({ 'preflight-decision-id': decisionId, 'preflight-verdict': verdict });
  });

  it('has no token in it, nor a hash of one, in any line of the log and any answer', async () => {
    const { app, log } = await service({ SLOW_REQUEST_MS: '0' });
    app.get('/v1/broken', () => {
      throw new Error('out of order');
    });
    const secret = 'kQ8sJx0sVt0mBq';
    const shown: string[] = [];
    for (const token of [secret, tokens.all, tokens.metrics]) {
      for (const authorization of [`Bearer ${token}`, token, `Basic ${token}`, `Bearer ${token} ${token}`]) {
        for (const request of [
          evaluation,
          { ...evaluation, payload: '{' },
          { url: '/v1/broken' },
          { url: '/v1/nowhere' },
        ]) {
          // oxlint-disable-next-line no-await-in-loop
          const answer = await app.inject({ ...request, headers: { authorization } });
          shown.push(answer.payload, JSON.stringify(answer.headers));
        }
      }
    }
    const wrong = files.write('wrong', `nova evaluate ${secret}`);
    await expect(service({ CLIENTS_FILE: wrong })).rejects.toThrow('clients: line 1: the credential must be');
    expect(log.length).toBeGreaterThan(48);
    const said = [...log, ...shown].join('\n');
    expect(said).toContain('request failed');
    for (const token of [secret, ...Object.values(tokens)]) {
      expect(said).not.toContain(token);
      expect(said).not.toContain(hash(token));
    }
  });
});

describe('browsers are told', () => {
  const everywhere = {
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
  };

  it.each(['/docs/', '/docs/static/swagger-ui-bundle.js'])('to load for %s what is of the service', async (url) => {
    const { app } = await shared;
    const answer = await app.inject({ url });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers).toMatchObject(everywhere);
    const policy = String(answer.headers['content-security-policy']);
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; .*frame-ancestors 'none'$/);
    expect(policy).not.toMatch(/unsafe|https?:|\*/);
  });

  it.each(['/v1/rules', '/v1/nowhere', '/v1/evaluations', '/health/live', '/openapi.json'])(
    'to load nothing for %s',
    async (url) => {
      const { app } = await shared;
      expect((await app.inject({ url })).headers).toMatchObject({
        ...everywhere,
        'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      });
    },
  );
});

describe('health and metrics', () => {
  it('are served by the one port there is by default', async () => {
    const { app } = await shared;
    expect(app.operations).toBeNull();
  });

  it('may have a port of their own, where they need no token', async () => {
    const { app } = await service({ OPERATIONS_PORT: '0' });
    const statusesOf = async (of: FastifyInstance | null): Promise<(number | undefined)[]> =>
      Promise.all(
        ['/health/live', '/health/ready', '/metrics', '/v1/rules'].map(
          async (url) => (await of?.inject({ url }))?.statusCode,
        ),
      );
    expect(await statusesOf(app.operations)).toEqual([200, 200, 200, 404]);
    expect(await statusesOf(app)).toEqual([200, 200, 404, 200]);
    await app.inject({ ...evaluation, headers: bearer(tokens.all) });
    expect((await app.operations?.inject('/metrics'))?.payload).toContain(
      'preflight_decisions_total{verdict="risky"} 1',
    );
    app.lifecycle.draining = true;
    expect(await statusesOf(app.operations)).toEqual([200, 503, 200, 404]);
  });
});
