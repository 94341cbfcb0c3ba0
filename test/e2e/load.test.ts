import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { placementExamples, simulationExamples } from '../../src/http/examples.ts';
import { figures, question, repeat } from './faults.ts';
import { restarts } from './restarts.ts';
import { type Service, start } from './service.ts';

const services: Service[] = [];

function service(env: Readonly<Record<string, string>> = {}): Service {
  const started = start({ PORT: '0', SLOW_REQUEST_MS: '3600000', ...env });
  services.push(started);
  return started;
}

afterEach(async () => {
  for (const each of services) each.stop();
  await Promise.all(services.splice(0).map(({ exit }) => exit));
});

const json = { 'content-type': 'application/json' };

const ask = (address: string, path = '/v1/evaluations', body: string = question): Promise<Response> =>
  fetch(address + path, { method: 'POST', body, headers: json });

/** A batch whose lines are still to come. */
function begin(address: string, query = ''): ClientRequest {
  const sent = request(`${address}/v1/evaluations/batch${query}`, { method: 'POST', agent: false });
  sent.on('error', () => undefined);
  sent.write(`${question}\n`);
  return sent;
}

const answerOf = async (sent: ClientRequest): Promise<IncomingMessage> =>
  ((await once(sent, 'response')) as [IncomingMessage])[0];

const shed = async (address: string, reason: string): Promise<number | undefined> =>
  (await figures(address)).get(`preflight_shed_requests_total{reason="${reason}"}`);

describe('more requests than can be answered', () => {
  it('are refused beyond those that can, quickly told when to come again, and none is lost', async () => {
    // Hundreds at a time wait for longer than ten times this.
    const address = await service({ QUEUE_DELAY_MS: '1' }).address;
    const counts = new Map<number, number>();
    let healthy = 0;
    const flood = repeat(2000, 300, async () => {
      const answer = await ask(address);
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      if (answer.status === 200) {
        expect(await answer.json()).toMatchObject({ verdict: 'risky' });
        return;
      }
      expect([answer.headers.get('retry-after'), answer.headers.get('content-type')]).toEqual([
        '1',
        'application/problem+json; charset=utf-8',
      ]);
      expect(await answer.json()).toMatchObject({
        type: 'urn:migration-preflight:problem:overloaded',
        status: 503,
        instance: answer.headers.get('x-request-id'),
      });
    });
    const probing = repeat(20, 1, async () => {
      expect((await fetch(`${address}/health/ready`)).status).toBe(200);
      healthy++;
    });
    await Promise.all([flood, probing]);
    expect(healthy).toBe(20);
    expect(new Set(counts.keys())).toEqual(new Set([200, 503]));
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(2000);
    expect(await shed(address, 'delay')).toBe(counts.get(503));
    expect((await ask(address)).status).toBe(200);
  });

  it('end no batch that is under way', async () => {
    const address = await service({ QUEUE_DELAY_MS: '1' }).address;
    const sent = begin(address, '?summary=true');
    const answer = await answerOf(sent);
    await repeat(1000, 300, async () => void (await (await ask(address)).text()));
    sent.end(`${question}\n`);
    const lines = (await text(answer)).trimEnd().split('\n');
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ totals: { complete: true, items: 2, decisions: 2 } });
  });
});

describe('what large requests hold together is bounded by the heap', () => {
  it('so that batches beyond are refused, small requests are not, and there is room again once they end', async () => {
    const address = await service({ NODE_OPTIONS: '--max-old-space-size=96 --max-semi-space-size=8' }).address;
    const open: ClientRequest[] = [];
    let status = 200;
    while (status === 200 && open.length < 100) {
      const sent = begin(address);
      open.push(sent);
      const answer = await answerOf(sent);
      status = answer.statusCode ?? 0;
      answer.resume();
      answer.on('error', () => undefined);
    }
    expect(status).toBe(503);
    expect(open.length).toBeGreaterThan(3);
    expect(open.length).toBeLessThan(20);
    expect((await ask(address)).status).toBe(200);
    expect(
      (await ask(address, '/v1/placements', JSON.stringify(placementExamples['three-hosts']?.request))).status,
    ).toBe(503);
    expect(await shed(address, 'memory')).toBe(2);
    for (const each of open) each.destroy();
    const again = async (): Promise<number> =>
      (await ask(address, '/v1/placements', JSON.stringify(placementExamples['three-hosts']?.request))).status;
    await expect.poll(again, { timeout: 10_000 }).toBe(200);
  });

  it('and so are connections', async () => {
    const started = service({ NODE_OPTIONS: '--max-old-space-size=32 --max-semi-space-size=8', OPERATIONS_PORT: '0' });
    const address = await started.address;
    const operations = await vi.waitUntil(() => /Operations at (http:[^"]+)/.exec(started.said.join('\n'))?.[1], {
      timeout: 10_000,
    });
    const port = Number(new URL(address).port);
    const sockets = Array.from({ length: 1000 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    await expect.poll(() => shed(operations, 'connections'), { timeout: 30_000 }).toBeGreaterThan(100);
    expect((await fetch(`${operations}/health/ready`)).status).toBe(200);
    for (const each of sockets) each.destroy();
    await expect
      .poll(
        () =>
          ask(address).then(
            ({ status }) => status,
            () => 0,
          ),
        { timeout: 10_000 },
      )
      .toBe(200);
  });
});

describe('work that is long', () => {
  const unknown = Array.from({ length: 1000 }, (_, index) => ({ host: { qemu: '10.2.2', memory: index + 1 } }));
  const placement = JSON.stringify({ ...placementExamples['three-hosts']?.request, candidates: unknown });
  const simulation = JSON.stringify(Object.values(simulationExamples)[0]?.request);

  it('keeps no single request from its answer', async () => {
    const address = await service().address;
    const state = { isDone: false };
    const long = Promise.all([
      ...Array.from({ length: 3 }, async () => (await ask(address, '/v1/placements', placement)).status),
      ...Array.from({ length: 3 }, async () => (await ask(address, '/v1/simulations', simulation)).status),
    ]).finally(() => {
      state.isDone = true;
    });
    let meanwhile = 0;
    for (; !state.isDone; meanwhile++) expect((await ask(address)).status).toBe(200);
    expect(new Set(await long)).toEqual(new Set([200]));
    expect(meanwhile).toBeGreaterThan(3);
  });

  it('ends with the client that asked for it', async () => {
    const address = await service().address;
    await repeat(20, 20, async () => {
      const asking = fetch(`${address}/v1/placements`, {
        method: 'POST',
        body: placement,
        headers: json,
        signal: AbortSignal.timeout(50),
      });
      await asking.then(
        (answer) => answer.text(),
        () => undefined,
      );
    });
    const inFlight = async (): Promise<number | undefined> =>
      (await figures(address)).get('preflight_http_requests_in_flight');
    await expect.poll(inFlight, { timeout: 20_000 }).toBe(1);
    expect((await ask(address)).status).toBe(200);
  });
});

describe('a service that is told to stop', () => {
  it('ends batches that nobody sends more of with their totals, and exits in time', async () => {
    const started = service({ DRAIN_MS: '0' });
    const address = await started.address;
    const answers = await Promise.all(Array.from({ length: 5 }, () => answerOf(begin(address))));
    const all = answers.map((answer) => text(answer));
    started.stop();
    for (const answer of await Promise.all(all)) {
      const lines = answer.trimEnd().split('\n');
      expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ totals: { complete: false, items: 1, decisions: 1 } });
    }
    expect(await started.exit).toBe(0);
  });

  it('loses no answer in ten restarts, behind a client that asks again only where nothing had come back', async () => {
    const { answered, lost, exits } = await restarts(10, 8);
    expect(lost).toEqual([]);
    expect(answered).toBeGreaterThanOrEqual(11 * 16);
    expect(new Set(exits)).toEqual(new Set([0]));
  });
});
