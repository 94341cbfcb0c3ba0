import { Ajv } from 'ajv';
import type { InjectOptions } from 'fastify';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { exampleArgv, examples, exampleXml, placementExamples, simulationExamples } from '../../src/http/examples.ts';
import { contract, type JsonSchema, namedSchemas, ref } from '../../src/http/schemas.ts';

type Responses = Readonly<
  Record<string, { readonly content: Readonly<Record<string, { readonly schema: JsonSchema }>> }>
>;
interface Document {
  readonly components: object;
  readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly responses: Responses }>>>>;
}

const app = await buildApp(readConfig({}));
await app.ready();
const document = app.swagger() as unknown as Document;
const ajv = new Ajv({ schemas: namedSchemas(), keywords: ['components'], discriminator: true });
afterAll(() => app.close());

const ask = (payload: string | object, url = '/v1/evaluations'): InjectOptions => ({ method: 'POST', url, payload });

/** What the document says of an answer of `status` and `type` to `method` on `path`. */
function declared(path: string, method: string, status: number, type: string): JsonSchema {
  const responses = document.paths[path]?.[method]?.responses ?? {};
  const response = responses[status] ?? responses[`${Math.floor(status / 100)}XX`];
  const schema = response?.content[type]?.schema;
  if (!schema) throw new Error(`the document knows no ${status} of ${type} at ${method} ${path}`);
  return { ...schema, components: document.components };
}

describe('an answer is what the document says', () => {
  it.each<[name: string, status: number, request: InjectOptions]>([
    ...Object.entries(examples).map(([name, { request }]): [string, number, InjectOptions] => [
      `the example ${name}`,
      200,
      ask(request),
    ]),
    ...Object.entries(placementExamples).map(([name, { request }]): [string, number, InjectOptions] => [
      `the placement ${name}`,
      200,
      ask(request, '/v1/placements'),
    ]),
    [
      'a placement of which a candidate is wrong',
      200,
      ask({ vm: { memory: 1, vfio: [] }, source: {}, candidates: [{ host: { qemu: 'x' } }] }, '/v1/placements'),
    ],
    ['a placement without candidates', 400, ask({ vm: { memory: 1, vfio: [] }, source: {} }, '/v1/placements')],
    ...Object.entries(simulationExamples).map(([name, { request }]): [string, number, InjectOptions] => [
      `the simulation ${name}`,
      200,
      ask(request, '/v1/simulations'),
    ]),
    [
      'a simulation that lacks facts',
      400,
      ask({ vm: { memory: 1, vfio: [{}] }, source: {}, events: [] }, '/v1/simulations'),
    ],
    ...Object.entries(examples).map(([name, { request }]): [string, number, InjectOptions] => [
      `the example ${name} with all rules`,
      200,
      ask(request, '/v1/evaluations?include=clear'),
    ]),
    ...Object.entries(examples).map(([name, { request }]): [string, number, InjectOptions] => [
      `the example ${name} without remedies`,
      200,
      ask(request, '/v1/evaluations?remedies=false'),
    ]),
    ['a domain XML', 200, ask(exampleXml, '/v1/evaluations?qemu=10.2.2')],
    ['a QEMU command line', 200, ask(exampleArgv, '/v1/evaluations?qemu=10.2.2')],
    ['an echoed ref', 200, ask({ ...examples['ram-limit']?.request, ref: 'web1' })],
    ['an empty body', 400, ask('')],
    ['JSON that is none', 400, ask('{')],
    ['XML that is none', 400, ask('<domain>')],
    ['a fault in the body', 400, ask('{}')],
    ['a fault in the query', 400, ask('{}', '/v1/evaluations?qemu=x')],
    ['a command line that is none', 400, ask('qemu-kvm -m')],
    ['a body over the limit', 413, ask(' '.repeat((1 << 20) + 1))],
    ['a body of no known type', 415, ask('hello')],
    ['liveness', 200, { url: '/health/live' }],
    ['readiness', 200, { url: '/health/ready' }],
    ['the policy of the site', 200, { url: '/v1/policy' }],
    ['metrics', 200, { url: '/metrics' }],
  ])('%s', async (_name, status, request) => {
    const { method = 'GET', url } = request as { method?: string; url: string };
    const answer = await app.inject(request);
    expect(answer.statusCode).toBe(status);
    const [type = ''] = String(answer.headers['content-type']).split(';');
    const schema = declared(url.split('?', 1)[0] ?? '', method.toLowerCase(), status, type);
    const body: unknown = type.endsWith('json') ? answer.json() : answer.payload;
    ajv.validate(schema, body);
    expect(ajv.errors).toBeNull();
  });

  it.each(Object.entries(examples))('the example %s, to zod as to JSON Schema', async (_name, { request }) => {
    expect(contract.descriptor.safeParse(request).error).toBeUndefined();
    expect(contract.decision.safeParse((await app.inject(ask(request))).json()).error).toBeUndefined();
  });

  it('readiness of a service that stops', async () => {
    app.lifecycle.draining = true;
    const answer = await app.inject('/health/ready');
    app.lifecycle.draining = false;
    expect([answer.statusCode, answer.json()]).toEqual([503, { status: 'draining' }]);
    expect((await app.inject('/health/live')).statusCode).toBe(200);
    ajv.validate(declared('/health/ready', 'get', 503, 'application/json'), answer.json());
    expect(ajv.errors).toBeNull();
  });
});

describe('a request outside of the document is answered with a problem', () => {
  it.each<[name: string, status: number, request: InjectOptions]>([
    ['an unknown path', 404, { url: '/v2' }],
    ['a wrong method', 405, { url: '/v1/evaluations', method: 'DELETE' }],
    ['a path that is not well-formed', 400, { url: '/%zz' }],
  ])('%s', async (_name, status, request) => {
    const answer = await app.inject(request);
    expect(answer.statusCode).toBe(status);
    expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
    ajv.validate(ref('Problem'), answer.json());
    expect(ajv.errors).toBeNull();
    expect(answer.json()).toMatchObject({ status, instance: answer.headers['x-request-id'] });
  });
});

describe('no object of the contract takes unknown members', () => {
  const objects = (at: string, node: unknown): [at: string, schema: JsonSchema][] => {
    if (typeof node !== 'object' || node === null) return [];
    // What a discriminator tells apart are objects one by one.
    const own: [string, JsonSchema][] =
      'type' in node && node.type === 'object' && !('oneOf' in node) ? [[at, node]] : [];
    return [...own, ...Object.entries(node).flatMap(([key, value]) => objects(`${at}/${key}`, value))];
  };

  it.each(namedSchemas().flatMap((schema) => objects(schema['$id'] as string, schema)))('%s', (at, schema) => {
    const { properties, additionalProperties } = schema;
    // A log outlives the version that wrote it.
    if (at === 'LoggedDecision') expect(additionalProperties).toEqual({});
    else if (properties) expect(additionalProperties).toBe(false);
    else expect(additionalProperties, 'a record says what its values are').toEqual(expect.any(Object));
  });
});
