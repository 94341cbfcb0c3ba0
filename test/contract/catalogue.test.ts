import { Ajv } from 'ajv';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { exampleLine } from '../../src/http/examples.ts';
import { namedSchemas, ref } from '../../src/http/schemas.ts';
import { LINE_MAX } from '../../src/rules/recognise.ts';

const app = await buildApp(readConfig({}));
const ajv = new Ajv({ schemas: namedSchemas(), discriminator: true });
afterAll(() => app.close());

const asked = (message: string): string => `/v1/rules?message=${encodeURIComponent(message)}`;

describe('the catalogue is what the document says', () => {
  it.each([
    ['the rules', '/v1/rules', 'RuleList'],
    ['the rules in a line', asked(exampleLine), 'RecognisedRules'],
    ['a line of nobody’s', asked('hello'), 'RecognisedRules'],
    ['a rule', '/v1/rules/vfio-viommu', 'RuleDoc'],
    ['a rule that only logs tell of', '/v1/rules/vfio-device-state', 'RuleDoc'],
    ['the platforms', '/v1/platforms', 'Platforms'],
  ])('%s', async (_what, url, schema) => {
    const answer = await app.inject(url);
    expect(answer.statusCode).toBe(200);
    ajv.validate(ref(schema), answer.json());
    expect(ajv.errors).toBeNull();
  });

  it('every rule that is listed is where its link says', async () => {
    const { rules } = (await app.inject('/v1/rules')).json<{ rules: { id: string; link: string }[] }>();
    expect(rules.length).toBeGreaterThan(0);
    const pages = await Promise.all(rules.map(({ link }) => app.inject(link)));
    for (const [index, page] of pages.entries()) {
      ajv.validate(ref('RuleDoc'), page.json());
      expect(ajv.errors, page.payload).toBeNull();
      expect(page.json()).toMatchObject(rules[index] as object);
    }
  });

  it('a line of a log leads to its rule, with what stands in it and what lifts it', async () => {
    expect((await app.inject(asked(exampleLine))).json()).toMatchObject({
      rules: [
        {
          id: 'vfio-unmap',
          liftedBy: expect.arrayContaining(['iommufd']) as unknown,
          matches: [{ parameters: { iova: '0x100000000000', size: '0x100000000000', result: '-7' } }],
        },
      ],
    });
  });

  it('a line that no rule has words of leads nowhere', async () => {
    expect((await app.inject(asked('hello'))).json()).toEqual({ rules: [] });
    expect((await app.inject(`${asked('hello')}&format=text`)).payload).toBe('No rule has words of this line.\n');
  });
});

describe('who asks for text gets it', () => {
  it.each<[query: string, accept: string | undefined, type: 'application/json' | 'text/plain']>([
    ['', undefined, 'application/json'],
    ['', '*/*', 'application/json'],
    ['', 'text/plain', 'text/plain'],
    ['', 'text/plain; charset=utf-8', 'text/plain'],
    ['', 'text/plain, */*;q=0.1', 'text/plain'],
    ['', 'application/json, text/plain, */*', 'application/json'],
    ['', 'text/html,application/xhtml+xml,*/*;q=0.8', 'application/json'],
    ['', 'garbage;;,,', 'application/json'],
    ['?format=text', '*/*', 'text/plain'],
    ['?format=text', 'application/json', 'text/plain'],
    ['?format=json', 'text/plain', 'application/json'],
  ])('%s with Accept %s', async (query, accept, type) => {
    const headers = accept === undefined ? {} : { accept };
    const paths = ['/v1/rules', '/v1/rules/vfio-viommu'];
    for (const answer of await Promise.all(paths.map((path) => app.inject({ url: `${path}${query}`, headers })))) {
      expect(answer.headers).toMatchObject({ 'content-type': `${type}; charset=utf-8`, vary: 'accept' });
      expect(answer.payload).toContain('vfio-viommu');
    }
  });
});

describe('a question about nothing', () => {
  it.each([
    ['/v1/rules/vfio-vioomu', 404, 'no rule "vfio-vioomu"; the nearest is "vfio-viommu"'],
    ['/v1/rules/VFIO-VIOMMU', 404, 'no rule "VFIO-VIOMMU"; the nearest is'],
    ['/v1/rules/__proto__', 404, 'no rule "__proto__"'],
    [`/v1/rules?message=${'a'.repeat(LINE_MAX + 1)}`, 400, 'message: must NOT have more than 8192 characters'],
    ['/v1/rules?message=', 400, 'message: must NOT have fewer than 1 characters'],
    ['/v1/rules?message=a&message=b', 400, 'message: must be string'],
    ['/v1/rules?mesage=a', 400, 'mesage: no such member; the nearest known is "message"'],
    ['/v1/rules/vfio-viommu?format=yaml', 400, 'format: must be one of "json", "text"'],
  ])('%.40s is a problem', async (url, status, detail) => {
    const answer = await app.inject(url);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    ajv.validate(ref('Problem'), answer.json());
    expect(ajv.errors).toBeNull();
    expect(answer.json<{ detail: string }>().detail).toContain(detail);
  });

  it('the longest line is taken', async () => {
    expect((await app.inject(`/v1/rules?message=${'a'.repeat(LINE_MAX)}`)).statusCode).toBe(200);
  });
});
