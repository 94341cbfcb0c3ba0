import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { generatedFiles } from './document.ts';

type Examples = Readonly<Record<string, { readonly value: unknown }>>;
type Content = Readonly<Record<string, { readonly examples: Examples }>>;
interface Operation {
  readonly requestBody: { readonly content: Content };
  readonly responses: { readonly 200: { readonly content: Content } };
}
interface Document {
  readonly paths: Readonly<Record<string, { readonly post?: Operation }>>;
}

const committed = readFileSync('openapi/openapi.json', 'utf8');

/** Every example request of the document, and the answer that it shows. */
const shown = Object.entries((JSON.parse(committed) as Document).paths).flatMap(([path, { post }]) => {
  const answers = post?.responses[200].content['application/json']?.examples ?? {};
  const requests = post?.requestBody.content['application/json']?.examples ?? {};
  return Object.entries(requests).map(([name, { value }]) => ({
    path,
    name,
    request: value,
    answer: answers[name]?.value,
  }));
});
const written = (JSON.parse(committed) as Document).paths['/v1/evaluations']?.post?.requestBody.content;
const generated = [...(await generatedFiles())];
const app = await buildApp(readConfig({}));
afterAll(() => app.close());

describe('the committed OpenAPI document', () => {
  it.each(generated)('%s is the one that the service makes', (path, text) => {
    expect(readFileSync(path, 'utf8'), `${path} is stale: npm run openapi`).toBe(text);
  });

  it('is valid OpenAPI 3.1', async () => {
    const validator = new Validator();
    const { valid, errors } = await validator.validate(JSON.parse(committed) as Record<string, unknown>);
    expect(errors).toBeUndefined();
    expect({ valid, version: validator.version }).toEqual({ valid: true, version: '3.1' });
  });

  it.each(shown)('shows what $path answers to the example $name', async ({ path, request, answer }) => {
    const given = await app.inject({ method: 'POST', url: path, payload: request as object });
    expect(given.statusCode).toBe(200);
    expect(given.payload).toBe(JSON.stringify(answer));
  });

  it('shows what /v1/replays answers to its example', async () => {
    const { post } = (JSON.parse(committed) as Document).paths['/v1/replays'] ?? {};
    const of = (content?: Content): unknown => content?.['application/x-ndjson']?.examples['decisions']?.value;
    const payload = of(post?.requestBody.content) as string;
    const { payload: answer } = await app.inject({ method: 'POST', url: '/v1/replays', payload });
    expect(answer).toBe(of(post?.responses[200].content));
  });

  it('shows examples of everything that can be posted', () => {
    expect(new Set(shown.map(({ path }) => path))).toEqual(
      new Set(['/v1/evaluations', '/v1/evaluations/batch', '/v1/imports', '/v1/placements', '/v1/simulations']),
    );
  });

  it.each([
    ['application/xml', 'domain', 'application/xml'],
    ['application/xml', 'domain', 'application/x-www-form-urlencoded'],
    ['text/x-qemu-argv', 'command', 'text/x-qemu-argv'],
    ['text/x-qemu-argv', 'command', 'application/x-www-form-urlencoded'],
  ])('shows for %s a %s that works as %s', async (type, example, sentAs) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/evaluations?qemu=10.2.2&kernel=6.12',
      payload: written?.[type]?.examples[example]?.value as string,
      headers: { 'content-type': sentAs },
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      verdict: 'blocked',
      findings: expect.arrayContaining([expect.objectContaining({ rule: 'vfio-viommu', outcome: 'fires' })]) as unknown,
    });
  });
});
