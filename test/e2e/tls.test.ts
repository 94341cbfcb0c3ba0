import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import https, { type RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';
import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { examples } from '../../src/http/examples.ts';
import { Authority, Files, type Issued } from './certificates.ts';
import { type Service, start } from './service.ts';

const [ours, theirs] = await Promise.all([Authority.create('ours'), Authority.create('theirs')]);
const [server, renewed, nova, unlisted, ended, foreign, forServers] = await Promise.all([
  ours.issue('preflight', { usage: 'serverAuth' }),
  ours.issue('preflight', { usage: 'serverAuth', ends: 90 }),
  ours.issue('nova', { uri: 'spiffe://cloud/nova' }),
  ours.issue('somebody'),
  ours.issue('nova', { uri: 'spiffe://cloud/nova', ends: -1 }),
  theirs.issue('nova', { uri: 'spiffe://cloud/nova' }),
  ours.issue('nova', { uri: 'spiffe://cloud/nova', usage: 'serverAuth' }),
]);
const token = 'kQ8sJx0sVt0mBq';
const listed = [
  'nova evaluate,batch uri:spiffe://cloud/nova',
  `scripts evaluate sha256:${createHash('sha256').update(token).digest('hex')}`,
];

/** Machines that run tests may be slow. */
const PATIENCE = { timeout: 30_000 };

const files = new Files();
const services: Service[] = [];
const agents: https.Agent[] = [];

/** What every service with TLS is given, in files of the test. */
const tlsFiles = (): Record<string, string> => ({
  TLS_CERT_FILE: files.write('cert.pem', server.cert),
  TLS_KEY_FILE: files.write('key.pem', server.key),
});
const clientFiles = (): Record<string, string> => ({
  TLS_CLIENT_CA_FILE: files.write('ca.pem', ours.cert),
  CLIENTS_FILE: files.write('clients', listed.join('\n')),
});

function service(env: Readonly<Record<string, string>>): Service {
  const started = start({ PORT: '0', DRAIN_MS: '0', ...env });
  services.push(started);
  return started;
}

/** A client's connections, kept from one request to the next unless it says otherwise. Each is shown a certificate: no session is resumed. */
function agent(options: https.AgentOptions = {}): https.Agent {
  const created = new https.Agent({ keepAlive: true, maxCachedSessions: 0, ca: ours.cert, ...options });
  agents.push(created);
  return created;
}

afterAll(() => files.remove());
afterEach(async () => {
  for (const each of agents.splice(0)) each.destroy();
  for (const each of services) each.stop();
  await Promise.all(services.splice(0).map(({ exit }) => exit));
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
  /** Of the service's certificate. */
  readonly fingerprint: string | undefined;
}

const question = JSON.stringify(examples['domain-switch']?.request);

/** Which certificate each connection was shown: one that is closed by the time it is answered cannot tell any more. */
const shownTo = new WeakMap<object, string>();

/** Asks over TLS; rejected if there is no answer. */
async function ask(address: string, options: RequestOptions = {}, path = '/v1/evaluations'): Promise<Answer> {
  const method = path === '/v1/evaluations' ? 'POST' : 'GET';
  const request = https.request(address + path, { method, agent: agent({ keepAlive: false }), ...options });
  const given = once(request, 'socket') as Promise<[TLSSocket]>;
  request.once('socket', (socket: TLSSocket) =>
    socket.once('secureConnect', () => shownTo.set(socket, socket.getPeerCertificate().fingerprint256)),
  );
  request.end(method === 'POST' ? question : undefined);
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const [socket] = await given;
  const fingerprint = shownTo.get(socket);
  return { status: response.statusCode, headers: response.headers, body: await text(response), fingerprint };
}

const outcome = (asked: Promise<Answer>): Promise<number | string | undefined> =>
  asked.then(
    ({ status }) => status,
    () => 'no answer',
  );

/** The log so far, as far as it is about files. */
const loads = ({ said }: Service): { files: string; msg: string; reason?: string }[] =>
  said
    .map((line) => JSON.parse(line) as { files: string; msg: string; reason?: string })
    .filter(({ files: about }) => about !== undefined);

async function metric(address: string, name: string, options: RequestOptions = {}): Promise<string | undefined> {
  const { body } = await ask(address, options, '/metrics');
  return body
    .split('\n')
    .find((line) => line.startsWith(`${name} `))
    ?.split(' ')[1];
}

describe('a service with a certificate', () => {
  it('speaks TLS to who trusts it, and nothing else', async () => {
    const address = await service(tlsFiles()).address;
    expect(address).toMatch(/^https:/);
    expect((await ask(address)).headers['preflight-verdict']).toBe('risky');
    await expect(ask(address, { agent: agent({ ca: theirs.cert }) })).rejects.toThrow('certificate');
    const plain = http.get(address.replace('https', 'http'), { agent: false });
    await expect(once(plain, 'response')).rejects.toThrow('socket hang up');
    expect(await outcome(ask(address))).toBe(200);
  });

  it('tells in a metric when it ends', async () => {
    const address = await service(tlsFiles()).address;
    const end = Number(await metric(address, 'preflight_tls_certificate_not_after_timestamp_seconds'));
    expect(Math.round((end - Date.now() / 1000) / 86_400)).toBe(30);
  });

  it.each([
    ['that is not there', { TLS_CERT_FILE: '/nowhere/cert.pem' }, 'tls: ENOENT'],
    ['and the key of another', { TLS_KEY_FILE: 'other.pem' }, 'key values mismatch'],
  ])('%s does not start, and says why', async (_what, wrong, words) => {
    files.write('other.pem', renewed.key);
    const { exit, said } = service({ ...tlsFiles(), ...mapped(wrong) });
    expect(await exit).toBe(1);
    expect(said).toEqual([expect.stringContaining(words)]);
    expect(said.join('\n')).not.toContain('PRIVATE KEY');
  });
  const mapped = (env: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(env).map(([key, path]) => [key, path.startsWith('/') ? path : files.path(path)]));
});

describe('a client certificate that is required', () => {
  const clients: readonly (readonly [string, Issued | null, number | string])[] = [
    ['one of ours', nova, 200],
    ['none', null, 'no answer'],
    ['one of another authority', foreign, 'no answer'],
    ['one that ended', ended, 'no answer'],
    ['one for servers', forServers, 'no answer'],
  ];

  it('is asked for before there is HTTP', async () => {
    const started = service({
      ...tlsFiles(),
      TLS_CLIENT_CA_FILE: files.write('ca.pem', ours.cert),
      LOG_LEVEL: 'debug',
    });
    const address = await started.address;
    const statuses = await Promise.all(
      clients.map(([, identity]) => outcome(ask(address, { agent: agent({ ...identity }) }))),
    );
    expect(statuses).toEqual(clients.map(([, , status]) => status));
    const refused = 'preflight_refused_requests_total{reason="tls"}';
    await expect.poll(() => metric(address, refused, { agent: agent(nova) }), PATIENCE).toBe('4');
    // What is logged arrives when the pipe brings it.
    const reasons = (): unknown[] =>
      started.said.map((line) => (JSON.parse(line) as { reason?: string }).reason).filter(Boolean);
    await expect.poll(() => reasons().length, PATIENCE).toBe(4);
    expect(new Set(reasons())).toEqual(
      new Set([
        'CERT_HAS_EXPIRED',
        'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE',
        'INVALID_PURPOSE',
        'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      ]),
    );
  });

  it('is of nobody unless it is listed, where there is a list', async () => {
    const address = await service({ ...tlsFiles(), ...clientFiles() }).address;
    expect(await outcome(ask(address, { agent: agent(nova) }))).toBe(200);
    const { status, body } = await ask(address, { agent: agent(unlisted) });
    expect([status, body]).toEqual([
      401,
      expect.stringContaining('nobody has a certificate of cn:somebody, dns:somebody.example'),
    ]);
  });
});

describe('a client certificate that is optional', () => {
  let shared: Service;
  beforeAll(() => {
    shared = start({ PORT: '0', ...tlsFiles(), ...clientFiles(), TLS_CLIENT_CERT: 'optional' });
  });
  afterAll(async () => {
    shared.stop();
    await shared.exit;
  });
  const bearer = { authorization: `Bearer ${token}` };

  it.each([
    ['is known by its token', null, bearer, 200, ''],
    ['is known by its certificate', nova, {}, 200, ''],
    ['is nobody without either', null, {}, 401, 'this needs a bearer token or a client certificate'],
    [
      'is nobody with a wrong token, whatever its certificate',
      nova,
      { authorization: 'Bearer x' },
      401,
      'nobody has this token',
    ],
    ['is nobody with a certificate of another authority', foreign, {}, 401, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['is nobody with a certificate that ended', ended, {}, 401, 'does not count: CERT_HAS_EXPIRED'],
    ['is nobody with a certificate for servers', forServers, {}, 401, 'does not count: INVALID_PURPOSE'],
    ['is nobody with a certificate that is not listed', unlisted, {}, 401, 'nobody has a certificate of cn:somebody'],
    ['is who the token says, whatever its certificate', foreign, bearer, 200, ''],
  ])('a client %s', async (_what, identity, headers, status, words) => {
    const address = await shared.address;
    const answer = await ask(address, { agent: agent({ ...identity }), headers });
    expect(answer.status).toBe(status);
    expect(answer.body).toContain(words);
  });

  it('of a client that may not ask this', async () => {
    const address = await shared.address;
    const answer = await ask(address, { agent: agent(nova) }, '/metrics');
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([
      403,
      'Bearer realm="migration-preflight", error="insufficient_scope", scope="metrics"',
    ]);
  });
});

describe('certificates are changed while the service runs', () => {
  it('without a request that fails, however many there are', async () => {
    const started = service(tlsFiles());
    const address = await started.address;
    const load = { isOver: false };
    const seen = new Map<string, number>();
    const connections = agent({ maxSockets: 8 });
    const client = async (): Promise<number> => {
      let answered = 0;
      while (!load.isOver) {
        // oxlint-disable-next-line no-await-in-loop
        const { status, fingerprint } = await ask(address, { agent: connections });
        expect(status).toBe(200);
        seen.set(fingerprint ?? '', (seen.get(fingerprint ?? '') ?? 0) + 1);
        answered++;
      }
      return answered;
    };
    const clients = Promise.all(Array.from({ length: 8 }, client));
    for (const next of [renewed, server, renewed, server, renewed]) {
      files.write('cert.pem', next.cert);
      files.write('key.pem', next.key);
      const before = loads(started).length;
      started.hangUp();
      // oxlint-disable-next-line no-await-in-loop
      await expect.poll(() => loads(started).length, PATIENCE).toBeGreaterThan(before);
      const answered = [...seen.values()].reduce((a, b) => a + b, 0);
      // oxlint-disable-next-line no-await-in-loop
      await expect.poll(() => [...seen.values()].reduce((a, b) => a + b, 0), PATIENCE).toBeGreaterThan(answered + 50);
    }
    load.isOver = true;
    const answered = (await clients).reduce((a, b) => a + b, 0);
    expect(answered).toBeGreaterThan(250);
    expect(seen.size).toBe(2);
    expect(new Set(loads(started).map(({ msg }) => msg))).toEqual(new Set(['files loaded']));
    expect((await ask(address)).fingerprint).toBe((await ask(address, { agent: connections })).fingerprint);
  });

  it('without being told, and not for worse', async () => {
    const started = service(tlsFiles());
    const address = await started.address;
    const before = (await ask(address)).fingerprint;
    // The key of another is seen first, then the certificate that it belongs to.
    files.write('key.pem', renewed.key);
    await expect.poll(() => loads(started).at(-1)?.reason, PATIENCE).toContain('tls: error:');
    expect((await ask(address)).fingerprint).toBe(before);
    expect(await metric(address, 'preflight_last_reload_successful{files="tls"}')).toBe('0');
    expect(loads(started).at(-1)?.msg).toBe('files not loaded: what was last good stays in force');
    files.write('cert.pem', renewed.cert);
    await expect.poll(async () => (await ask(address)).fingerprint, PATIENCE).not.toBe(before);
    expect(await metric(address, 'preflight_last_reload_successful{files="tls"}')).toBe('1');
    // What is bad is said once.
    expect(loads(started).map(({ msg }) => msg.split(':', 1)[0])).toEqual([
      'files loaded',
      'files not loaded',
      'files loaded',
    ]);
    expect(started.said.join('\n')).not.toContain('PRIVATE KEY');
  });

  it('and who is no longer trusted stays out, with a session or a connection from before', async () => {
    const started = service({ ...tlsFiles(), TLS_CLIENT_CA_FILE: files.write('ca.pem', ours.cert) });
    const address = await started.address;
    const [kept, resuming] = [agent(nova), agent({ ...nova, keepAlive: false })];
    expect(await outcome(ask(address, { agent: kept }))).toBe(200);
    expect(await outcome(ask(address, { agent: resuming }))).toBe(200);
    files.write('ca.pem', theirs.cert);
    started.hangUp();
    await expect.poll(() => loads(started).length, PATIENCE).toBe(2);
    expect(await outcome(ask(address, { agent: resuming }))).toBe('no answer');
    // A connection has one answer more, which ends it: no request that was under way is lost.
    const last = await ask(address, { agent: kept });
    expect([last.status, last.headers.connection]).toEqual([200, 'close']);
    expect(await outcome(ask(address, { agent: kept }))).toBe('no answer');
    expect(await outcome(ask(address, { agent: agent(foreign) }))).toBe(200);
  });
});

describe('a service whose terminal hangs up', () => {
  it('goes on, even if it has no files to read', async () => {
    const started = service({});
    const address = await started.address;
    started.hangUp();
    started.hangUp();
    const live = async (): Promise<number> => (await fetch(`${address}/health/live`)).status;
    expect(await live()).toBe(200);
    expect(await live()).toBe(200);
  });
});

describe('health and metrics on a port of their own', () => {
  it('are for who has no certificate', async () => {
    const started = service({ ...tlsFiles(), ...clientFiles(), OPERATIONS_PORT: '0' });
    const address = await started.address;
    const operations = async (): Promise<string | undefined> => {
      const [, url] = /Operations at (http:[^"]+)/.exec(started.said.join('\n')) ?? [];
      return url;
    };
    await expect.poll(operations, PATIENCE).toMatch(/^http:\/\/127\.0\.0\.1:/);
    const url = await operations();
    const statuses = (): Promise<number[]> =>
      Promise.all(['/health/ready', '/metrics', '/v1/rules'].map(async (path) => (await fetch(url + path)).status));
    await expect.poll(statuses, PATIENCE).toEqual([200, 200, 404]);
    expect((await ask(address, { agent: agent(nova) }, '/metrics')).status).toBe(404);
    expect((await ask(address, { agent: agent(nova) }, '/health/ready')).status).toBe(200);
  });
});

describe('a service that others can reach', () => {
  it('says so as it starts, if anybody may ask', async () => {
    const started = service({ HOST: '0.0.0.0' });
    await started.address;
    expect(JSON.parse(started.said[0] ?? '')).toMatchObject({
      level: 40,
      msg: expect.stringContaining('anybody who reaches 0.0.0.0 may ask') as string,
    });
  });
});
