import { readFileSync } from 'node:fs';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { generatedFiles } from './document.ts';

type Examples = Readonly<Record<string, { readonly value: unknown }>>;
type Content = Readonly<Record<string, { readonly examples: Examples }>>;
interface Document {
  readonly paths: {
    readonly '/v1/evaluations': {
      readonly post: { readonly requestBody: { content: Content }; readonly responses: { 200: { content: Content } } };
    };
  };
}

const committed = readFileSync('openapi/openapi.json', 'utf8');
const { post } = (JSON.parse(committed) as Document).paths['/v1/evaluations'];
const requests = post.requestBody.content;
const answers = post.responses[200].content['application/json']?.examples ?? {};
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

  it.each(Object.entries(requests['application/json']?.examples ?? {}))(
    'shows what the service answers to the example %s',
    async (name, { value }) => {
      const answer = await app.inject({ method: 'POST', url: '/v1/evaluations', payload: value as object });
      expect(answer.statusCode).toBe(200);
      expect(answer.payload).toBe(JSON.stringify(answers[name]?.value));
    },
  );

  it('has an answer for every example, and no other', () => {
    expect(Object.keys(answers)).toEqual(Object.keys(requests['application/json']?.examples ?? {}));
  });

  it.each(['application/xml', 'application/x-www-form-urlencoded'])('shows a domain that works as %s', async (type) => {
    const answer = await app.inject({
      method: 'POST',
      url: '/v1/evaluations?qemu=10.2.2&kernel=6.12',
      payload: requests['application/xml']?.examples['domain']?.value as string,
      headers: { 'content-type': type },
    });
    expect(answer.statusCode).toBe(200);
    expect(answer.json()).toMatchObject({
      verdict: 'blocked',
      findings: expect.arrayContaining([expect.objectContaining({ rule: 'vfio-viommu', outcome: 'fires' })]) as unknown,
    });
  });
});
