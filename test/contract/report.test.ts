import type { InjectOptions } from 'fastify';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import type { Decision } from '../../src/evaluation/decision.ts';
import { examples, exampleXml, placementExamples } from '../../src/http/examples.ts';
import { decisionText } from '../../src/report/decision-text.ts';

const app = await buildApp(readConfig({}));
afterAll(() => app.close());

const post = (url: string, payload: string | object | undefined, accept = '*/*'): InjectOptions => ({
  method: 'POST',
  url,
  payload: payload as string,
  headers: { accept, 'content-type': 'application/x-www-form-urlencoded' },
});

const place = JSON.stringify(placementExamples['three-hosts']?.request);

describe('who asks for text gets a report', () => {
  it.each<[name: string, url: string, accept: string, type: 'application/json' | 'text/plain']>([
    ['curl, as it is', '/v1/evaluations?qemu=10.2.2', '*/*', 'application/json'],
    ['curl, by the query', '/v1/evaluations?qemu=10.2.2&format=text', '*/*', 'text/plain'],
    ['by the header', '/v1/evaluations?qemu=10.2.2', 'text/plain', 'text/plain'],
    ['by the header, but for the query', '/v1/evaluations?qemu=10.2.2&format=json', 'text/plain', 'application/json'],
    ['in colour', '/v1/evaluations?qemu=10.2.2&format=text&color=always', '*/*', 'text/plain'],
    ['in colour of JSON, which has none', '/v1/evaluations?qemu=10.2.2&color=always', '*/*', 'application/json'],
  ])('%s', async (_name, url, accept, type) => {
    const { statusCode, headers, payload } = await app.inject(post(url, exampleXml, accept));
    expect(statusCode).toBe(200);
    expect(headers).toMatchObject({
      'content-type': `${type}; charset=utf-8`,
      'preflight-verdict': 'blocked',
      vary: 'accept',
    });
    const isColoured = type === 'text/plain' && url.includes('color=always');
    expect(
      payload.startsWith(isColoured ? '\u001B[31mBLOCKED\u001B[0m: ' : type === 'text/plain' ? 'BLOCKED: ' : '{'),
    ).toBe(true);
    expect(payload.includes('\u001B')).toBe(isColoured);
  });

  it.each(Object.entries(examples))('that is made from the decision alone: %s', async (_name, { request }) => {
    const json = await app.inject(post('/v1/evaluations', JSON.stringify(request)));
    const text = await app.inject(post('/v1/evaluations?format=text', JSON.stringify(request)));
    expect(text.payload).toBe(decisionText(json.json<Decision>()));
  });

  it('of placements a table', async () => {
    const { headers, payload } = await app.inject(post('/v1/placements', place, 'text/plain'));
    expect(headers['content-type']).toBe('text/plain; charset=utf-8');
    expect(payload.startsWith('1 allowed, 1 unknown, 1 blocked\n\nallowed  node3  Nothing')).toBe(true);
    const coloured = await app.inject(post('/v1/placements?format=text&color=always', place));
    expect(coloured.payload).toContain('\u001B[31mblocked\u001B[0m  node1');
  });

  it('and a problem as JSON, whatever was asked for', async () => {
    const { statusCode, headers } = await app.inject(post('/v1/evaluations?format=text', '{}', 'text/plain'));
    expect(statusCode).toBe(400);
    expect(headers['content-type']).toBe('application/problem+json; charset=utf-8');
  });
});

describe('what is asked for in vain', () => {
  it.each([
    ['/v1/evaluations?format=yaml', exampleXml, 'format: must be one of "json", "text"'],
    ['/v1/evaluations?color=red', exampleXml, 'color: must be one of "always", "never"'],
    ['/v1/placements?format=yaml', place, 'format: must be one of "json", "text"'],
  ])('%s', async (url, payload, detail) => {
    const answer = await app.inject(post(url, payload));
    expect(answer.statusCode).toBe(400);
    expect(answer.json<{ detail: string }>().detail).toContain(detail);
  });
});
