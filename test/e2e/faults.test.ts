import { afterAll, describe, expect, it } from 'vitest';
import { exchange, faults, figures, question, random, repeat, smuggled } from './faults.ts';
import { start } from './service.ts';

const service = start({
  PORT: '0',
  REQUEST_TIMEOUT_MS: '500',
  CONNECTION_TIMEOUT_MS: '5000',
  // On a busy machine any request may be slow, or too much.
  SLOW_REQUEST_MS: '3600000',
  QUEUE_DELAY_MS: '60000',
});

afterAll(async () => {
  service.stop();
  await service.exit;
});

const portOf = async (): Promise<number> => Number(new URL(await service.address).port);

describe('a request that could be read in two ways is refused, and what is hidden behind it is not answered', () => {
  it.each(Object.entries(smuggled))('%s', async (_what, [bytes, answers]) => {
    expect(await exchange(await portOf(), bytes)).toEqual(answers);
  });
});

/** Connections that are open, that of who asks included. */
const SOCKETS = 'nodejs_active_resources{type="TCPSocketWrap"}';
const IN_FLIGHT = 'preflight_http_requests_in_flight';

describe('nothing is left behind by hundreds of', () => {
  it.each(Object.entries(faults))('%s', async (_what, fault) => {
    const [address, port] = [await service.address, await portOf()];
    const numbers = random(7);
    await repeat(200, 40, () => fault(port, numbers));
    const left = async (): Promise<unknown> => {
      const now = await figures(address);
      return [now.get(IN_FLIGHT), now.get(SOCKETS)];
    };
    await expect.poll(left, { timeout: 20_000 }).toEqual([1, 1]);
    const answer = await fetch(`${address}/v1/evaluations`, {
      method: 'POST',
      body: question,
      headers: { 'content-type': 'application/json', connection: 'close' },
    });
    expect(answer.status).toBe(200);
  });
});

it('and none of it was an error of the service, which stops as ever', async () => {
  service.stop();
  expect(await service.exit).toBe(0);
  expect(service.said.filter((line) => !/"msg":"(?:Server listening|stopping)/.test(line))).toEqual([]);
});
