import type { InjectOptions, LightMyRequestResponse } from 'fastify';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { withValueAt } from '../../src/descriptor/pointer.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import type { Decision } from '../../src/evaluation/decision.ts';
import { envelopeExamples, exampleArgv, examples, exampleXml } from '../../src/http/examples.ts';
import type { ProblemBody } from '../../src/http/problems.ts';
import { type JsonSchema, namedSchemas } from '../../src/http/schemas.ts';
import { GROWING, sent } from './growing.ts';
import { Judge, Service } from './judge.ts';
import { INHERITED } from './words.ts';

const app = await buildApp(readConfig({ QUEUE_DELAY_MS: '60000', HOST_PROFILES: 'test/fixtures/fuzz/hosts.yaml' }));
const service = await Service.start();
const judge = new Judge();
afterAll(async () => {
  await app.close();
  await service.stop();
});

const valid = examples['domain-switch']?.request as Descriptor;

const post = (payload: string, url = '/v1/evaluations?remedies=false', type = 'application/json'): InjectOptions => ({
  method: 'POST',
  url,
  payload,
  headers: { 'content-type': type },
});
const places = (answer: LightMyRequestResponse): string[] =>
  answer.json<ProblemBody>().errors.map(({ pointer, line, detail }) => `${pointer ?? line ?? ''} ${detail}`);

describe('what goes 100 000 deep is refused', () => {
  const DEPTH = 100_000;
  const lists = '['.repeat(DEPTH) + ']'.repeat(DEPTH);
  const objects = '{"a":'.repeat(DEPTH) + '1' + '}'.repeat(DEPTH);
  const evaluation = (at: string, deep: string): string =>
    JSON.stringify(withValueAt(valid, at, '@')).replace('"@"', deep);
  it.each<[what: string, request: InjectOptions, first: string]>([
    ['lists for a body', post(lists), ' must be object'],
    ['objects for a body', post(objects), '/vm is required'],
    ['lists for a size', post(evaluation('/vm/memory', lists)), '/vm/memory must be a size'],
    ['objects for a host', post(evaluation('/source', objects)), '/source/a no such member'],
    ['lists for devices', post(evaluation('/vm/vfio', lists)), '/vm/vfio/0 must be object'],
    [
      'objects for facts of devices',
      post(evaluation('/source/devices', objects)),
      '/source/devices/a/a no such member',
    ],
    ['a document of an envelope', post(`{"import":{"document":${objects}}}`), ''],
    ['what QEMU answered', post(`{"vm":{},"qmp":[{"execute":"query-pci","return":${objects}}]}`), ''],
    ['an object of Kubernetes', post(`{"apiVersion":"v1","a":${lists}}`), ''],
    ['a candidate', post(`{"vm":{},"source":{},"candidates":${lists}}`, '/v1/placements'), '/vm/memory is required'],
    ['events', post(`{"vm":{},"source":{},"events":${lists}}`, '/v1/simulations'), '/vm/memory is required'],
    ['flow lists of YAML', post(lists, '/v1/evaluations', 'application/yaml'), '1 values are nested'],
    ['block lists of YAML', post('- '.repeat(DEPTH), '/v1/evaluations', 'application/yaml'), '1 values are nested'],
    ['elements', post('<a>'.repeat(DEPTH), '/v1/evaluations', 'application/xml'), '1 elements are nested'],
    ['JSON of an option', post(`qemu-kvm -m 1G -device '${objects}'`, '/v1/evaluations', 'text/x-qemu-argv'), '1 argv'],
  ])('%s', async (_what, request, first) => {
    const answer = await app.inject(request);
    expect(answer.statusCode, answer.payload.slice(0, 200)).toBe(400);
    expect(places(answer)[0] ?? '').toContain(first);
  });

  it('line by line of a batch', async () => {
    const answer = await app.inject(
      post(
        `${lists}\n${objects}\n{"import":{"document":${objects}}}\n`,
        '/v1/evaluations/batch',
        'application/x-ndjson',
      ),
    );
    const statuses = answer.payload
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { status?: number }).status);
    expect(statuses).toEqual([400, 400, 400, undefined]);
  });
});

/** Pointers to where text may stand in what `schema` describes, in the first item of a list and under one name. */
function textsIn(schema: JsonSchema | undefined, at = ''): string[] {
  const { $ref: named, type, properties, items, additionalProperties, anyOf } = schema ?? {};
  if (typeof named === 'string') return textsIn(schemas.get(named), at);
  if (Array.isArray(anyOf)) return [...new Set(anyOf.flatMap((branch: JsonSchema) => textsIn(branch, at)))];
  if (type === 'string') return [at];
  if (type === 'array') return textsIn(items as JsonSchema, `${at}/0`);
  if (typeof additionalProperties === 'object')
    return [`${at}/${LONG}`, ...textsIn(additionalProperties as JsonSchema, `${at}/dev0`)];
  return Object.entries(properties ?? {}).flatMap(([key, each]) => textsIn(each as JsonSchema, `${at}/${key}`));
}
const schemas = new Map(namedSchemas().map((schema) => [`${String(schema['$id'])}#`, schema]));
const LONG = 'x'.repeat(1_000_000);

/** A document that holds `value` at `pointer`, and nothing else. */
const holding = (pointer: string, value: unknown): unknown =>
  pointer
    .split('/')
    .slice(1)
    .reduceRight<unknown>((inner, key) => (key === '0' ? [inner] : { [key]: inner }), value);

describe('a text of a million characters is refused where it stands', () => {
  it.each(textsIn({ $ref: 'Descriptor#' }).map((pointer) => [pointer.replace(LONG, '…'), pointer]))(
    '%s',
    async (_at, pointer) => {
      const answer = await app.inject(post(JSON.stringify(holding(pointer, pointer.includes(LONG) ? 1 : LONG))));
      expect(answer.statusCode).toBe(400);
      const at = pointer.replace(`/${LONG}`, '');
      const told = answer.json<ProblemBody>().errors.map((each) => each.pointer ?? '');
      expect(told.filter((each) => each === at || each === pointer)).not.toEqual([]);
    },
  );
});

describe('names that every object of JavaScript has', () => {
  const spoilt = (): unknown => [({} as Record<string, unknown>)['memory'], Object.keys(Object.prototype)];
  const withMember = (pointer: string, name: string, value: string): string =>
    JSON.stringify(withValueAt(valid, `${pointer}/@`, 0)).replace('"@":0', `${JSON.stringify(name)}:${value}`);

  it.each(INHERITED)('%s is no member of anything', async (name) => {
    for (const pointer of ['', '/vm', '/vm/viommu', '/vm/vfio/0', '/source', '/source/iommu', '/source/behaviours']) {
      const answer = await app.inject(post(withMember(pointer, name, '{"memory":1,"qemu":"9.0.0"}')));
      expect(places(answer)).toEqual([expect.stringContaining(`${pointer}/${name} no such member`)]);
    }
    const envelope = JSON.stringify(envelopeExamples['envelope']?.request);
    const laid = await app.inject(post(envelope.replace('"vm":{', `"vm":{${JSON.stringify(name)}:{"memory":1},`)));
    expect(places(laid)).toEqual([expect.stringContaining(`/vm/${name} no such member`)]);
    expect(spoilt()).toEqual([undefined, []]);
  });

  it.each(INHERITED)('a device may be called %s', async (name) => {
    const called = (id: string): string => JSON.stringify(valid).replaceAll('"dev0"', JSON.stringify(id));
    const [odd, plain] = [await app.inject(post(called(name))), await app.inject(post(called('dev0')))];
    expect(odd.statusCode, odd.payload).toBe(200);
    expect(odd.json<Decision>().verdict).toBe(plain.json<Decision>().verdict);
    const nameless = (text: string): string => text.replace(/"decisionId":"\w+"/, '').replaceAll(name, 'dev0');
    expect(nameless(odd.payload)).toBe(nameless(plain.payload));
    for (const source of [{ qemu: '10.2.2' }, { profile: 'gen10' }, { profile: 'gen10', devices: {} }]) {
      const unsaid = JSON.stringify({ ...valid, source });
      const one = await app.inject(post(unsaid.replaceAll('"dev0"', JSON.stringify(name))));
      expect(nameless(one.payload)).toBe(nameless((await app.inject(post(unsaid))).payload));
    }
  });

  it.each(INHERITED)('a property of another device may be called %s', async (name) => {
    const device = `{"type":"edu","properties":{${JSON.stringify(name)}:true},"backend":{${JSON.stringify(name)}:true}}`;
    const body = JSON.stringify(withValueAt(valid, '/vm/otherDevices', ['@'])).replace('"@"', device);
    const answer = await app.inject(post(body, '/v1/imports'));
    expect(answer.statusCode, answer.payload).toBe(200);
    expect(answer.payload).toContain(device);
    expect(spoilt()).toEqual([undefined, []]);
  });

  it.each(INHERITED)('%s in a command line is a property like any other', async (name) => {
    const argv = `${exampleArgv.trim()} -device edu,${name}=on -device '{"driver":"edu","${name}":true}' -set device.hostdev0.${name}=1 -global edu.${name}=x`;
    const answer = await app.inject(post(argv, '/v1/imports', 'text/x-qemu-argv'));
    expect(answer.statusCode, answer.payload).toBe(200);
    expect(spoilt()).toEqual([undefined, []]);
  });
});

describe('what is said twice', () => {
  it('counts as it was said last, as JSON.parse has it', async () => {
    const body = `{${'"source":{"qemu":"x"},'.repeat(20_000)}${JSON.stringify(valid).slice(1)}`;
    const [answer, plain] = [await app.inject(post(body)), await app.inject(post(JSON.stringify(valid)))];
    expect(answer.json()).toEqual(plain.json());
  });

  it('of one device beside a document is refused, even if the last of it is right', async () => {
    const vfio = [
      { id: 'hostdev0', ats: 5 },
      { id: 'hostdev0', ats: 'on' },
    ];
    const answer = await app.inject(post(JSON.stringify({ import: { document: exampleXml }, vm: { vfio } })));
    expect(places(answer)).toEqual(['/vm/vfio/1/id /vm/vfio/0 is laid over the same already']);
  });
});

describe('counts beyond measure', () => {
  const run = (count: number, iova = '0x0', pageSize: string | number = 4096): string =>
    JSON.stringify(withValueAt(valid, '/vm/vfio/0/mappings', [{ iova, pageSize, count }]));
  it.each<[what: string, body: string, first: string]>([
    ['pages up to 2^53 - 1', run(2 ** 53 - 1), '/vm/vfio/0/mappings/0/count reaches past 2^48 - 1'],
    ['more pages than that', run(2 ** 53), '/vm/vfio/0/mappings/0/count must be <= 9007199254740991'],
    ['pages past the end of 64 bits', run(2, '0xfffffffffffff000'), '/vm/vfio/0/mappings/0/count reaches past'],
    ['one page of 8 EiB', run(1, '0x0', '8EiB'), '/vm/vfio/0/mappings/0/count reaches past'],
    ['-1 pages', run(-1), '/vm/vfio/0/mappings/0/count must be >= 1'],
    ['an odd page size', run(1, '0x0', 4097), '/vm/vfio/0/mappings/0/pageSize a page size is a power of two'],
  ])('%s are refused', async (_what, body, first) => {
    expect(places(await app.inject(post(body)))[0]).toContain(first);
  });

  it('of candidates are refused beyond 1000', async () => {
    const { vm, source } = valid;
    const body = (count: number): string =>
      JSON.stringify({ vm, source, candidates: Array.from({ length: count }, () => ({ host: source })) });
    expect((await app.inject(post(body(1000), '/v1/placements'))).statusCode).toBe(200);
    const answer = await app.inject(post(body(1001), '/v1/placements'));
    expect(places(answer)).toEqual(['/candidates must NOT have more than 1000 items']);
  });
});

describe('much of one thing is answered rightly', () => {
  it.each(GROWING)('%s (%s)', async (_what, entrance, text) => {
    const input = sent(entrance, text(1 << 14));
    expect(judge.fault(input, await service.answer(input))).toBeNull();
  });
});
