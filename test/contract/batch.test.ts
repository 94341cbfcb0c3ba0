import { Ajv } from 'ajv';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { exampleArgv, examples, exampleXml } from '../../src/http/examples.ts';
import { namedSchemas, ref } from '../../src/http/schemas.ts';

const app = await buildApp(readConfig({ BODY_LIMIT: '25000' }));
afterAll(() => app.close());
const ajv = new Ajv({ schemas: namedSchemas(), discriminator: true });

const URL = '/v1/evaluations/batch';
const blocked = examples['vfio-behind-viommu']?.request;
const risky = examples['domain-switch']?.request;

interface Answer {
  readonly line?: number;
  readonly index?: number;
  readonly ref?: string;
  readonly name?: string;
  readonly verdict?: string;
  readonly decisionId?: string;
  readonly detail?: string;
  readonly type?: string;
  readonly errors?: readonly object[];
  readonly findings?: readonly object[];
  readonly remedies?: readonly object[];
  readonly totals?: Readonly<Record<string, unknown>>;
}

/** What is answered to `items`, a line each: text as it is, and what else as JSON. */
async function ask(items: readonly unknown[], query = ''): Promise<Answer[]> {
  const lines = items.map((item) => (typeof item === 'string' ? item : JSON.stringify(item)));
  const headers = { 'content-type': 'application/x-ndjson' };
  const answer = await app.inject({ method: 'POST', url: URL + query, payload: lines.join('\n'), headers });
  expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'application/x-ndjson']);
  expect(answer.payload.endsWith('\n')).toBe(true);
  const answers = answer.payload
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);
  for (const each of answers) {
    const schema = each.totals
      ? 'BatchTotals'
      : each.type
        ? 'BatchProblem'
        : each.findings
          ? 'BatchDecision'
          : 'BatchSummary';
    ajv.validate(ref(schema), each);
    expect(ajv.errors).toBeNull();
  }
  return answers;
}

const alone = async (item: unknown, query = ''): Promise<Answer> =>
  (await app.inject({ method: 'POST', url: `/v1/evaluations${query}`, payload: JSON.stringify(item) })).json();

describe('a batch of lines', () => {
  it('is answered with a line each in their order, and the totals', async () => {
    const answers = await ask([
      { ...blocked, ref: 'a' },
      { ...risky, ref: 'b' },
      { ...blocked, ref: 'c' },
    ]);
    expect(answers.map(({ line, ref: called, verdict }) => [line, called, verdict])).toEqual([
      [1, 'a', 'blocked'],
      [2, 'b', 'risky'],
      [3, 'c', 'blocked'],
      [undefined, undefined, undefined],
    ]);
    expect(answers.at(-1)?.totals).toMatchObject({
      complete: true,
      items: 3,
      decisions: 3,
      errors: 0,
      verdicts: { allowed: 0, risky: 1, blocked: 2, unsafe: 0, unknown: 0 },
      rules: { 'vfio-viommu': { fires: 2 }, 'vfio-unmap': { fires: 3 } },
      largestBitmap: { bytes: 4294967296, backend: 'legacy', during: 'dma-to-blocking', line: 1, ref: 'a' },
    });
  });

  it.each(Object.entries(examples))(
    'has for the example %s what is answered to it alone',
    async (_name, { request }) => {
      const [{ line: _line, ...answer } = {}] = await ask([request], '?remedies=true');
      expect(answer).toEqual(await alone(request));
    },
  );

  it('leaves out remedies unless asked for', async () => {
    const [without] = await ask([blocked]);
    const [withThem] = await ask([blocked], '?remedies=true');
    expect([without?.remedies, withThem?.remedies?.length]).toEqual([undefined, expect.any(Number)]);
  });

  it('takes documents of any format, in envelopes or as they are', async () => {
    const source = { qemu: '10.2.2', kernel: '6.12' };
    const answers = await ask(
      [
        { ref: 'xml', import: { document: exampleXml }, source },
        JSON.stringify(exampleXml),
        exampleXml.replaceAll('\n', ''),
        exampleArgv.replaceAll('\\\n', '').trim(),
        JSON.stringify(exampleArgv.replaceAll('\\\n', '').trim().split(/ +/)),
      ],
      '?qemu=10.2.2&kernel=6.12',
    );
    expect(answers.slice(0, -1).map(({ name, verdict }) => [name, verdict])).toEqual(
      Array.from({ length: 5 }, () => ['web1', 'blocked']),
    );
  });

  it('answers every domain of a document, the overlay over each', async () => {
    const document = `<domains>${exampleXml}${exampleXml.replace('web1', 'web2')}</domains>`;
    const answers = await ask([
      { ref: 'host7', import: { document }, source: { qemu: '10.2.2', kernel: '6.12' } },
      risky,
    ]);
    expect(answers.slice(0, -1).map(({ line, ref: called, name }) => [line, called, name])).toEqual([
      [1, 'host7', 'web1'],
      [1, 'host7', 'web2'],
      [2, undefined, undefined],
    ]);
    expect(answers.at(-1)?.totals).toMatchObject({ items: 2, decisions: 3 });
  });

  it('passes over blank lines, which count, and takes ends of DOS', async () => {
    const answers = await ask(['', `${JSON.stringify(risky)}\r`, '  ', JSON.stringify(risky)]);
    expect(answers.map(({ line }) => line)).toEqual([2, 4, undefined]);
  });

  it('of nothing has the totals alone', async () => {
    expect(await ask([])).toEqual([{ totals: expect.objectContaining({ complete: true, items: 0, decisions: 0 }) }]);
  });
});

describe('a line that is wrong is answered with what is wrong with it, and the others are answered', () => {
  it.each<[what: string, item: unknown, type: string, answer: object]>([
    ['no JSON', '{"vm": nope}', 'malformed-json', { errors: [{ column: 8, detail: 'Invalid symbol' }] }],
    ['of no format', 'hello', 'unsupported-media-type', {}],
    [
      'a fault',
      { ...risky, ref: 'r', vm: { ...risky?.vm, name: 'n', memory: '12TB?' } },
      'invalid-request',
      { ref: 'r', name: 'n', errors: [{ pointer: '/vm/memory', detail: expect.stringContaining('must be a size') }] },
    ],
    [
      'a fault that only a second look finds',
      { ...risky, ref: 'r', source: { ...risky?.source, devices: { dev1: {} } } },
      'invalid-request',
      { ref: 'r', errors: [{ pointer: '/source/devices/dev1', detail: expect.stringContaining('no device') }] },
    ],
    [
      'a document with a fault',
      { ref: 'r', import: { format: 'libvirt-xml', document: '<domain>\n<memory>4</memori></domain>' } },
      'malformed-xml',
      { ref: 'r', errors: [{ line: 2, pointer: '/import/document' }] },
    ],
    ['a list', '[1]', 'invalid-request', { errors: [{ pointer: '', detail: 'must be object' }] }],
    ['null', 'null', 'unsupported-media-type', {}],
    [
      'a descriptor with brackets 12 000 deep',
      `{"vm":${'['.repeat(12_000)}${']'.repeat(12_000)}}`,
      'invalid-request',
      { errors: [{ pointer: '/source', detail: 'is required' }] },
    ],
    [
      'an envelope with brackets 12 000 deep',
      `{"import":{"document":${'['.repeat(12_000)}${']'.repeat(12_000)}}}`,
      'malformed-json',
      { detail: 'nested more than 128 deep' },
    ],
    [
      'an envelope with a document with braces 2000 deep',
      { import: { document: `${'{"vm":'.repeat(2000)}1${'}'.repeat(2000)}` } },
      'malformed-json',
      { detail: '/import/document: nested more than 128 deep' },
    ],
    ['a ref that is none', { ...risky, ref: 7 }, 'invalid-request', { errors: [{ pointer: '/ref' }] }],
    [
      'a line that is too long',
      { ...risky, ref: 'x'.repeat(25_000) },
      'line-too-long',
      { status: 413, detail: 'line 2 has more than 25000 bytes' },
    ],
  ])('%s', async (_what, item, type, expected) => {
    const answers = await ask([risky, item, blocked]);
    expect(answers.map(({ line, verdict }) => [line, verdict])).toEqual([
      [1, 'risky'],
      [2, undefined],
      [3, 'blocked'],
      [undefined, undefined],
    ]);
    expect(answers[1]).toMatchObject({ type: `urn:migration-preflight:problem:${type}`, ...expected });
    expect(answers[3]?.totals).toMatchObject({ items: 3, decisions: 2, errors: 1 });
  });
});

describe('what is asked of a batch', () => {
  it('only: lists those verdicts, and every error; the totals count all', async () => {
    const answers = await ask([blocked, risky, '{', blocked], '?only=risky,unknown');
    expect(answers.map(({ line, verdict }) => [line, verdict])).toEqual([
      [2, 'risky'],
      [3, undefined],
      [undefined, undefined],
    ]);
    expect(answers.at(-1)?.totals).toMatchObject({ decisions: 3, verdicts: { blocked: 2, risky: 1 } });
  });

  it('summary: answers in short, with the same address', async () => {
    const [short] = await ask([{ ...blocked, ref: 'a' }], '?summary=true');
    const { decisionId, verdict, because, summary } = (await alone(blocked)) as Readonly<Record<string, unknown>>;
    expect(short).toEqual({ line: 1, ref: 'a', decisionId, verdict, because, summary });
  });

  it('qemu and kernel: are those of every host that does not say', async () => {
    const { qemu: _qemu, ...source } = risky?.source ?? {};
    const [first, second] = await ask(
      [
        { ...risky, source },
        { ...risky, source: { ...source, qemu: '9.0.0' } },
      ],
      '?qemu=10.2.2',
    );
    expect(first?.decisionId).toBe((await alone(risky)).decisionId);
    expect(second?.errors).toEqual([{ parameter: 'qemu', detail: 'the body says otherwise at /source/qemu' }]);
  });

  it.each([
    ['?only=bad', 'only', 'must be verdicts with commas between, of allowed, risky, blocked, unsafe, unknown'],
    ['?summary=yes', 'summary', 'must be one of "true", "false"'],
    ['?summry=true', 'summry', 'no such member; the nearest known is "summary"'],
  ])('%s is refused as a whole', async (query, parameter, detail) => {
    const answer = await app.inject({ method: 'POST', url: URL + query, payload: JSON.stringify(risky) });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ errors: [{ parameter, detail }] });
  });

  it('what is compressed is refused', async () => {
    const headers = { 'content-encoding': 'gzip' };
    const answer = await app.inject({ method: 'POST', url: URL, payload: 'x', headers });
    expect([answer.statusCode, answer.json().detail]).toEqual([
      415,
      'a body encoded as gzip is not read: send it as it is',
    ]);
  });
});

describe('an array of items', () => {
  const send = (payload: string, type = 'application/json') =>
    app.inject({ method: 'POST', url: URL, payload, headers: { 'content-type': type } });

  it.each(['application/json', 'application/x-www-form-urlencoded'])(
    'sent as %s is answered with an object',
    async (type) => {
      const answer = await send(JSON.stringify([risky, {}, { ...blocked, ref: 'b' }]), type);
      expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'application/json; charset=utf-8']);
      const body = answer.json<{ items: Answer[]; totals: object }>();
      ajv.validate(ref('Batch'), body);
      expect(ajv.errors).toBeNull();
      expect(body.items.map(({ index, ref: called, verdict }) => [index, called, verdict])).toEqual([
        [0, undefined, 'risky'],
        [1, undefined, undefined],
        [2, 'b', 'blocked'],
      ]);
      expect(body.totals).toMatchObject({ items: 3, decisions: 2, errors: 1 });
    },
  );

  it('may be empty', async () => {
    expect((await send('[]')).json()).toMatchObject({ items: [], totals: { items: 0 } });
  });

  it.each<[what: string, payload: string, status: number, detail: string]>([
    ['that does not end', '[{}', 400, 'Close bracket expected'],
    ['with too many bytes', `[{"ref":"${'x'.repeat(25_000)}"}]`, 413, 'the array has more than 25000 bytes'],
    ['with too many items', `[{}${',0'.repeat(10_000)}]`, 413, 'the array has more than 10000 items'],
  ])('%s is refused as a whole', async (_what, payload, status, detail) => {
    const answer = await send(payload);
    expect(answer.statusCode).toBe(status);
    expect(answer.payload).toContain(detail);
  });
});

describe('the metrics', () => {
  it('count what a batch decided as they count single decisions', async () => {
    const counts = async (): Promise<Record<string, number>> => {
      const text = (await app.inject('/metrics')).payload;
      const of = (series: string): number =>
        Number(
          text
            .split('\n')
            .find((line) => line.startsWith(series))
            ?.slice(series.length) ?? 0,
        );
      return {
        blocked: of('preflight_decisions_total{verdict="blocked"}'),
        fires: of('preflight_findings_total{rule="vfio-viommu",outcome="fires"}'),
        agrees: of('preflight_agreement_total{outcome="agrees"}'),
        contradicted: of('preflight_agreement_total{outcome="contradicted"}'),
        batches: of('preflight_batch_size_count'),
        vms: of('preflight_batch_size_sum'),
      };
    };
    const running = (reasons: readonly string[]) => ({
      ...risky,
      state: 'running',
      vm: { ...risky?.vm, runtime: { blockedReasons: reasons } },
    });
    const before = await counts();
    await ask([blocked, blocked, running([]), running(['no idea']), '{']);
    const after = await counts();
    const more = Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]));
    expect(more).toMatchObject({ fires: 2, agrees: 1, contradicted: 1, batches: 1, vms: 5 });
    expect(more['blocked']).toBeGreaterThanOrEqual(2);
  });
});
