import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Placements } from '../../src/evaluation/placements-schema.ts';
import { exampleArgv, examples, placementExamples } from '../../src/http/examples.ts';
import { type Service, start } from './service.ts';

const services: Service[] = [];

/** A service on a free port, stopped after the test. */
function service(env: Readonly<Record<string, string>> = {}): Service {
  const started = start({ PORT: '0', ...env });
  services.push(started);
  return started;
}

afterEach(async () => {
  for (const each of services) each.stop();
  await Promise.all(services.splice(0).map(({ exit }) => exit));
});

const question = JSON.stringify(examples['domain-switch']?.request);

const ask = (address: string): Promise<Response> =>
  fetch(`${address}/v1/evaluations`, {
    method: 'POST',
    body: question,
    headers: { 'content-type': 'application/json' },
  });

const statusOf = async (address: string, path: string): Promise<number> => (await fetch(address + path)).status;

interface Sent {
  readonly socket: Socket;
  /** All that comes back until the service closes the connection. */
  readonly answer: Promise<string>;
}

/** Sends `request` to `address` as it is. */
async function send(address: string, request: string): Promise<Sent> {
  const { hostname, port } = new URL(address);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(request);
  return { socket, answer: text(socket) };
}

const head = [
  'POST /v1/evaluations HTTP/1.1',
  'host: localhost',
  'content-type: application/json',
  `content-length: ${Buffer.byteLength(question)}`,
  'expect: 100-continue',
];

/** A request that the service has begun to read, and whose body is still to come. */
async function begin(address: string): Promise<Sent> {
  const sent = await send(address, `${head.join('\r\n')}\r\n\r\n`);
  expect(String(await once(sent.socket, 'data'))).toBe('HTTP/1.1 100 Continue\r\n\r\n');
  return sent;
}

describe('the built service', () => {
  it('answers the question this project began with', async () => {
    const answer = await ask(await service().address);
    expect(answer.status).toBe(200);
    expect(answer.headers.get('preflight-verdict')).toBe('risky');
    expect(await answer.json()).toMatchObject({
      verdict: 'risky',
      containers: [{ transitions: [{ from: 'dma', to: 'blocking', unmapCalls: 28, failures: 4 }, {}] }],
    });
  });

  it.each([
    ['as a shell is given it', exampleArgv],
    ['as /proc/PID/cmdline', `${exampleArgv.replaceAll('\\\n', '').trim().split(/ +/).join('\0')}\0`],
  ])('answers a QEMU command line that curl sends, %s', async (_how, body) => {
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const address = await service().address;
    const answer = await fetch(`${address}/v1/evaluations?qemu=10.2.2`, { method: 'POST', body, headers });
    expect([answer.status, answer.headers.get('preflight-verdict')]).toEqual([200, 'blocked']);
  });

  it('finds among a thousand hosts those that take a VM, and answers others meanwhile', async () => {
    const address = await service().address;
    const request = placementExamples['three-hosts']?.request;
    const known = request?.candidates.filter(({ ref }) => ref === 'node3') ?? [];
    const unknown = Array.from({ length: 999 }, (_, index) => ({ host: { qemu: '10.2.2', memory: index + 1 } }));
    const placing = { isDone: false };
    const answered = fetch(`${address}/v1/placements`, {
      method: 'POST',
      body: JSON.stringify({ ...request, candidates: [...unknown, ...known] }),
      headers: { 'content-type': 'application/json' },
    }).finally(() => {
      placing.isDone = true;
    });
    const liveMeanwhile = async (times: number): Promise<number> => {
      if (placing.isDone) return times;
      expect(await statusOf(address, '/health/live')).toBe(200);
      return liveMeanwhile(times + 1);
    };
    const meanwhile = await liveMeanwhile(0);
    const answer = await answered;
    expect(answer.status).toBe(200);
    const { groups } = (await answer.json()) as Placements;
    expect(groups.map(({ verdict, candidates }) => [verdict, candidates.length])).toEqual([
      ['allowed', 1],
      ['unknown', 999],
    ]);
    expect(meanwhile).toBeGreaterThan(3);
  });

  it('shows its document, and its interactive form', async () => {
    const address = await service().address;
    expect(await (await fetch(`${address}/openapi.json`)).json()).toMatchObject({ openapi: '3.1.0' });
    expect(await (await fetch(`${address}/docs/`)).text()).toContain('swagger-ui');
  });

  it('counts what it answered', async () => {
    const address = await service().address;
    await ask(address);
    await fetch(`${address}/v1/nowhere`);
    const metrics = (await (await fetch(`${address}/metrics`)).text()).split('\n');
    const bitmap = '{backend="legacy",transition="dma-to-blocking"}';
    const bucket = (le: string): string =>
      `preflight_predicted_dirty_bitmap_bytes_bucket${bitmap.replace('{', `{le="${le}",`)}`;
    expect(metrics).toEqual(
      expect.arrayContaining([
        'preflight_decisions_total{verdict="risky"} 1',
        'preflight_findings_total{rule="vfio-unmap",outcome="fires"} 1',
        `${bucket('268435456')} 0`,
        `${bucket('4294967296')} 1`,
        `preflight_predicted_dirty_bitmap_bytes_sum${bitmap} 4294967296`,
        `preflight_predicted_unmap_calls_sum${bitmap} 28`,
        'preflight_evaluation_duration_seconds_count 1',
        'preflight_http_request_duration_seconds_count{method="POST",route="/v1/evaluations",status_class="2xx"} 1',
        'preflight_http_request_duration_seconds_count{method="GET",route="none",status_class="4xx"} 1',
      ]),
    );
  });

  it('logs nothing of a request that goes well, or of one that is wrong', async () => {
    // On a busy machine any request may be slow, and that is logged.
    const started = service({ SLOW_REQUEST_MS: '3600000' });
    const address = await started.address;
    await ask(address);
    await fetch(`${address}/v1/evaluations`, { method: 'POST', body: '{' });
    started.stop();
    await started.exit;
    expect(started.said.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual([
      `Server listening at ${address}`,
      'stopping',
    ]);
  });
});

describe('a service that is told to stop', () => {
  it('is live and not ready, answers what is under way, and exits with 0', async () => {
    const started = service({ DRAIN_MS: '3000' });
    const address = await started.address;
    expect(await statusOf(address, '/health/live')).toBe(200);
    await expect.poll(() => statusOf(address, '/health/ready'), { timeout: 10_000 }).toBe(200);

    const [early, late] = [await begin(address), await begin(address)];
    started.stop();
    await expect.poll(() => statusOf(address, '/health/ready'), { timeout: 2000 }).toBe(503);
    expect(await statusOf(address, '/health/live')).toBe(200);
    expect((await ask(address)).status).toBe(200);
    early.socket.write(question);
    expect(await once(early.socket, 'data').then(String)).toMatch(/^HTTP\/1.1 200 /);

    // Once it has stopped to listen, what had begun is still answered.
    await expect
      .poll(
        () =>
          ask(address).then(
            () => 'answered',
            () => 'refused',
          ),
        { timeout: 10_000 },
      )
      .toBe('refused');
    late.socket.write(question);
    expect(await late.answer).toMatch(/^HTTP\/1.1 100 .*^HTTP\/1.1 200 /ms);
    expect(await started.exit).toBe(0);
  });

  it('exits with 1 if that takes longer than it may', async () => {
    const started = service({ DRAIN_MS: '0', SHUTDOWN_MS: '200' });
    const { socket } = await begin(await started.address);
    started.stop();
    expect(await started.exit).toBe(1);
    expect(started.said.at(-1)).toContain('killed by timeout');
    socket.destroy();
  });
});

describe('a service that cannot start exits with 1 and says why', () => {
  it.each([
    [{ PORT: 'abc' }, 'configuration: PORT: must be a whole number'],
    [{ PORT: '' }, 'configuration: PORT: must be a whole number'],
    [{ PORT: '8080', LOG_LEVEL: 'loud', BODY_LIMIT: '1' }, 'LOG_LEVEL: '],
    [{ HOST_PROFILES: 'no.yaml' }, 'configuration: HOST_PROFILES: no.yaml: ENOENT'],
    [{ HOST_PROFILES: 'tsconfig.json' }, 'HOST_PROFILES: tsconfig.json: line 1: /hosts: is required; line '],
  ])('%j', async (env, words) => {
    const { exit, said } = service(env);
    expect(await exit).toBe(1);
    expect(said).toEqual([expect.stringContaining(words)]);
  });

  it('a port that is taken', async () => {
    const { port } = new URL(await service().address);
    const { exit, said } = service({ PORT: port });
    expect(await exit).toBe(1);
    expect(said.join('\n')).toContain(`listen EADDRINUSE: address already in use 127.0.0.1:${port}`);
  });
});

describe('what is no HTTP is answered with a problem, and the service goes on', () => {
  const shared = start({ PORT: '0', REQUEST_TIMEOUT_MS: '500' });
  afterAll(async () => {
    shared.stop();
    await shared.exit;
  });

  it.each([
    ['a line that is no request', 'hello\r\n\r\n', 400, 'bad-request'],
    ['a method that does not exist', 'FETCH / HTTP/1.1\r\nhost: localhost\r\n\r\n', 400, 'bad-request'],
    ['headers of 20 000 bytes', `GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'headers-too-large'],
    ['two lengths', 'POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400, 'bad-request'],
  ])('%s', async (_what, request, status, type) => {
    const address = await shared.address;
    const [headers = '', body = ''] = (await (await send(address, request)).answer).split('\r\n\r\n');
    expect(headers).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(headers).toContain('content-type: application/problem+json');
    expect(JSON.parse(body)).toMatchObject({ status, type: `urn:migration-preflight:problem:${type}` });
    expect(await statusOf(address, '/health/live')).toBe(200);
  });

  it('a request that does not end in time', async () => {
    const { answer } = await begin(await shared.address);
    expect(await answer).toMatch(/HTTP\/1.1 408 .*urn:migration-preflight:problem:request-timeout/s);
  });
});
