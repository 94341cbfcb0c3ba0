import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { examples, placementExamples } from '../../src/http/examples.ts';
import { fleet } from '../bench/fleet.ts';

let app: FastifyInstance;
let port: number;
beforeEach(async () => {
  app = await buildApp(readConfig({}));
  await app.listen({ port: 0 });
  ({ port } = app.server.address() as AddressInfo);
});
afterEach(() => app.close());

const ask = async (path: string, body: object): Promise<void> => {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    headers,
  });
  await answer.arrayBuffer();
};

/** The value of the series called `name`, summed over its labels. */
async function valueOf(name: string): Promise<number> {
  const { payload } = await app.inject('/metrics');
  const samples = [...payload.matchAll(new RegExp(`^${name}(?:\\{.*\\})? (\\S+)$`, 'gm'))];
  return samples.reduce((sum, [, value]) => sum + Number(value), 0);
}

describe('what counts as a decision', () => {
  it.each([
    [
      'an evaluation, whatever remedies were looked for',
      '/v1/evaluations',
      examples['vfio-behind-viommu']?.request,
      1,
      1,
    ],
    ['each VM of a batch', '/v1/evaluations/batch', [...fleet(5)], 5, undefined],
    ['no candidate of a placement', '/v1/placements', placementExamples['three-hosts']?.request, 0, 0],
    ['no request that is wrong', '/v1/evaluations', {}, 0, 0],
  ])('%s', async (_name, path, body = {}, decisions, evaluations) => {
    await ask(path, body);
    expect(await valueOf('preflight_decisions_total')).toBe(decisions);
    if (evaluations !== undefined) {
      expect(await valueOf('preflight_evaluation_duration_seconds_count')).toBe(evaluations);
    }
  });

  it('of a batch, its size too', async () => {
    await ask('/v1/evaluations/batch', [...fleet(5)]);
    await ask('/v1/evaluations/batch', [...fleet(30)]);
    expect(await valueOf('preflight_batch_size_sum')).toBe(35);
    expect(await valueOf('preflight_batch_size_count')).toBe(2);
  });
});

describe('the text is OpenMetrics for those who prefer it', () => {
  const openMetrics = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
  const classic = 'text/plain; version=0.0.4; charset=utf-8';

  it.each([
    [
      'Prometheus 2',
      'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1',
      openMetrics,
    ],
    [
      'Prometheus 3',
      'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1',
      openMetrics,
    ],
    ['a Prometheus that is told to scrape the older text', 'text/plain;version=0.0.4;q=0.6,*/*;q=0.5', classic],
    ['curl', '*/*', classic],
    ['a browser', 'text/html,application/xhtml+xml,*/*;q=0.8', classic],
    ['who asks for neither', 'application/json', classic],
  ])('%s', async (_who, accept, type) => {
    const { headers, payload } = await app.inject({ url: '/metrics', headers: { accept } });
    expect(headers['content-type']).toBe(type);
    expect(headers['vary']).toBe('accept');
    expect(payload.endsWith('# EOF\n')).toBe(type === openMetrics);
  });
});

it('counts as in flight what has begun, until it ends or whoever asked is gone', async () => {
  // The scrape itself is one.
  expect(await valueOf('preflight_http_requests_in_flight')).toBe(1);
  const client = connect(port, '127.0.0.1');
  await once(client, 'connect');
  client.write(
    'POST /v1/evaluations HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{',
  );
  await expect.poll(() => valueOf('preflight_http_requests_in_flight')).toBe(2);
  client.destroy();
  await expect.poll(() => valueOf('preflight_http_requests_in_flight')).toBe(1);
});
