import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import type { LoggedDecision } from '../../src/decision-log/logged-decision.ts';
import { envelopeExamples, exampleArgv, examples, exampleXml, placementExamples } from '../../src/http/examples.ts';
import { namedSchemas, ref } from '../../src/http/schemas.ts';
import { fleet } from '../bench/fleet.ts';

const directory = mkdtempSync(join(tmpdir(), 'decisions-'));
const path = join(directory, 'log');
const profiles = join(directory, 'hosts.yaml');
const policy = join(directory, 'policy.yaml');
writeFileSync(profiles, 'hosts: { rack7: { kernel: "6.12", devices: { "*": { driver: mlx5_vfio_pci } } } }');
writeFileSync(policy, 'version: 1\ndefaults: { source: { libvirt: 10.0.0 } }\n');
const env = { DECISION_LOG: path, HOST_PROFILES: profiles, POLICY_FILE: policy, BODY_LIMIT: '50000' };
const app = await buildApp(readConfig(env));
afterAll(async () => {
  await app.close();
  rmSync(directory, { recursive: true });
});
const ajv = new Ajv({ schemas: namedSchemas(), discriminator: true });

/** The lines that are logged as `act` goes on, of which there are to be `count`. */
async function loggedBy(count: number, act: () => Promise<unknown>): Promise<LoggedDecision[]> {
  const lines = (): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1);
  const before = lines().length;
  await act();
  await expect.poll(() => lines().length - before).toBe(count);
  return lines()
    .slice(before)
    .map((line) => JSON.parse(line) as LoggedDecision);
}

const post = (url: string, payload: string, headers = {}) => app.inject({ method: 'POST', url, payload, headers });

interface Answer {
  readonly line?: number;
  readonly type?: string;
  readonly from?: string;
  readonly to?: string;
  readonly detail?: string;
  readonly totals?: Readonly<Record<string, unknown>>;
}

/** What replaying `lines` is answered with: text as it is, and what else as JSON. */
async function replay(lines: readonly unknown[], query = ''): Promise<Answer[]> {
  const payload = lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n');
  const answer = await post(`/v1/replays${query}`, payload);
  expect([answer.statusCode, answer.headers['content-type']]).toEqual([200, 'application/x-ndjson']);
  const answers = answer.payload
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer);
  for (const each of answers) {
    ajv.validate(ref(each.totals ? 'ReplayTotals' : each.type ? 'BatchProblem' : 'ReplayedDecision'), each);
    expect(ajv.errors).toBeNull();
  }
  return answers;
}

const behindViommu = examples['vfio-behind-viommu']?.request;
const body = JSON.stringify({ ...behindViommu, ref: 'a' });

describe('the decision log has a line', () => {
  it('for an evaluation: what was asked, by whom in which request, and what came of it', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const [line] = await loggedBy(1, async () => {
      const answer = await post('/v1/evaluations', body, { traceparent });
      return answer;
    });
    ajv.validate(ref('LoggedDecision'), line);
    expect(ajv.errors).toBeNull();
    expect(line).toMatchObject({
      traceId: '0af7651916cd43dd8448eb211c80319c',
      requestId: expect.stringMatching(/^[\da-f-]{36}$/) as unknown,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown,
      verdict: 'blocked',
      because: ['start-failure'],
      rules: expect.arrayContaining([{ rule: 'vfio-viommu', outcome: 'fires' }]) as unknown,
      figures: { largestBitmapBytes: 4_294_967_296, dmaEntries: 65_535 },
      policyRevision: expect.stringMatching(/^[\da-f]{12}$/) as unknown,
      site: ['/source/libvirt'],
      defaults: ['/source/libvirt'],
      input: { ref: 'a', vm: behindViommu?.vm, source: { ...behindViommu?.source, libvirt: '10.0.0' } },
    });
  });

  it('with the address and the request of the answer', async () => {
    let headers: Readonly<Record<string, unknown>> = {};
    const [line] = await loggedBy(1, async () => {
      ({ headers } = await post('/v1/evaluations?remedies=false', body));
    });
    expect(line).toMatchObject({
      decisionId: headers['preflight-decision-id'],
      requestId: headers['x-request-id'],
      traceId: String(headers['x-request-id']).replaceAll('-', ''),
    });
  });

  it('for every VM of a batch, listed or not', async () => {
    const items = [...fleet(20), ...fleet(20)].map((each, index) => JSON.stringify({ ...each, ref: `vm${index}` }));
    const lines = await loggedBy(40, () => post('/v1/evaluations/batch?only=unsafe', items.join('\n')));
    expect(lines.map(({ input }) => input['ref'])).toEqual(items.map((_, index) => `vm${index}`));
    expect(new Set(lines.map(({ requestId }) => requestId)).size).toBe(1);
  });

  it('for nothing else: no placement, no simulation, no request that is wrong', async () => {
    const lines = await loggedBy(1, async () => {
      await post('/v1/placements', JSON.stringify(placementExamples['three-hosts']?.request));
      await post('/v1/evaluations', '{}');
      await post('/v1/evaluations', body);
    });
    expect(lines[0]?.input['ref']).toBe('a');
  });
});

describe('what was decided is decided again as it was', () => {
  it('whatever was asked, and however', async () => {
    const asked: [url: string, payload: string, count: number][] = [
      ...Object.values(examples).map(({ request }): [string, string, number] => [
        '/v1/evaluations',
        JSON.stringify(request),
        1,
      ]),
      ['/v1/evaluations?include=clear&remedies=false', body, 1],
      ['/v1/evaluations?source=rack7&qemu=10.2.2', exampleXml, 1],
      ['/v1/evaluations?qemu=10.2.2', exampleArgv, 1],
      ['/v1/evaluations', JSON.stringify(envelopeExamples['envelope']?.request), 1],
      ['/v1/evaluations?policy=none', body, 1],
      ['/v1/evaluations/batch?policy=none', `${body}\n${body}`, 2],
      [
        '/v1/evaluations/batch?source=rack7&remedies=true',
        [...fleet(30)].map(({ source: _source, ...each }) => JSON.stringify(each)).join('\n'),
        30,
      ],
    ];
    const count = asked.reduce((sum, [, , each]) => sum + each, 0);
    const lines = await loggedBy(count, async () => {
      for (const [url, payload] of asked) await post(url, payload);
    });
    expect(await replay(lines)).toMatchObject([
      { totals: { complete: true, lines: count, same: count, errors: 0, decisionIds: { same: count } } },
    ]);
    const [{ totals } = {}] = await replay(lines, '?policy=none');
    // Those three that were asked for without it have no other address.
    expect(totals).toMatchObject({ changed: 0, decisionIds: { same: 3, other: count - 3 } });
    expect(totals).not.toHaveProperty('policyRevision');
  });

  it('and what is decided otherwise is said, with examples', async () => {
    const [line] = await loggedBy(1, () => post('/v1/evaluations', body));
    const before = { ...line, verdict: 'risky', rules: [{ rule: 'gone', outcome: 'unknown' }], ruleset: '1-0' };
    const [first, second, { totals } = {}] = await replay([before, '', before]);
    const change = {
      from: 'risky',
      to: 'blocked',
      because: ['start-failure'],
      appeared: line?.rules,
      vanished: [{ rule: 'gone', outcome: 'unknown' }],
    };
    expect([first, second]).toMatchObject([
      { line: 1, ref: 'a', ...change },
      { line: 3, ref: 'a', ...change },
    ]);
    const both = {
      count: 2,
      examples: [
        { line: 1, ref: 'a' },
        { line: 3, ref: 'a' },
      ],
    };
    expect(totals).toMatchObject({ changed: 2, same: 0, verdicts: [{ from: 'risky', to: 'blocked', ...both }] });
    expect(totals?.['rules']).toContainEqual({
      rule: 'gone',
      outcome: 'unknown',
      appeared: { count: 0, examples: [] },
      vanished: both,
    });
  });

  it('does not count as a decision, nor is it logged', async () => {
    const counted = async (): Promise<string[]> =>
      (await app.inject('/metrics')).payload.match(/^preflight_(?:decisions|findings)_total\{.*/gm) ?? [];
    const [line] = await loggedBy(1, () => post('/v1/evaluations', body));
    const before = await counted();
    const lines = await loggedBy(1, async () => {
      await replay([line, line]);
      expect(await counted()).toEqual(before);
      await post('/v1/evaluations', body);
    });
    expect(lines).toHaveLength(1);
  });
});

describe('a line that is wrong is answered with what is wrong with it, and the others are replayed', () => {
  it.each<[what: string, change: (line: LoggedDecision) => unknown, type: string, answer: object]>([
    ['no JSON', () => '{"vm": nope}', 'malformed-json', { errors: [{ column: 8, detail: 'Invalid symbol' }] }],
    ['half a line', (line) => JSON.stringify(line).slice(0, 200), 'malformed-json', {}],
    [
      'no decision',
      () => ({ level: 30, msg: 'listening' }),
      'invalid-request',
      { errors: expect.arrayContaining([expect.objectContaining({ pointer: '/decisionId' })]) },
    ],
    [
      'an input that is no descriptor',
      (line) => ({ ...line, input: { ...line.input, source: 7 } }),
      'invalid-request',
      { errors: [{ pointer: '/input/source', detail: 'must be object' }] },
    ],
    [
      'an input that only a second look finds wrong',
      (line) => ({ ...line, input: { ...line.input, destination: { devices: { gone: {} } } } }),
      'invalid-request',
      { errors: [{ pointer: '/input/destination/devices/gone', detail: expect.stringContaining('no device') }] },
    ],
    [
      'an input with brackets 12 000 deep',
      (line) =>
        JSON.stringify({ ...line, defaults: ['/vm'], input: '@' }).replace(
          '"@"',
          `{"source":{},"vm":${'['.repeat(12_000)}${']'.repeat(12_000)}}`,
        ),
      'invalid-request',
      { errors: [{ pointer: '/input/vm', detail: 'must be object' }] },
    ],
    [
      'one that is too long',
      (line) => ({ ...line, more: 'x'.repeat(100_000) }),
      'line-too-long',
      { status: 413, detail: 'line 2 is too long' },
    ],
  ])('%s', async (_what, change, type, expected) => {
    const [line] = (await loggedBy(1, () => post('/v1/evaluations', body))) as [LoggedDecision];
    const [problem, { totals } = {}, ...more] = await replay([line, change(line), line]);
    expect(more).toEqual([]);
    expect(problem).toMatchObject({ line: 2, type: `urn:migration-preflight:problem:${type}`, ...expected });
    expect(totals).toMatchObject({ lines: 3, same: 2, errors: 1 });
  });

  it('a pointer leads nowhere but into the input', async () => {
    const [line] = await loggedBy(1, () => post('/v1/evaluations', body));
    const before = Object.getOwnPropertyNames(Object.prototype);
    await replay([{ ...line, defaults: ['/__proto__/valueOf', '/vm/__proto__/__lookupGetter__', '/vm/vfio/0/0', ''] }]);
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before);
  });

  it('members that a later version logs are passed over', async () => {
    const [line] = await loggedBy(1, () => post('/v1/evaluations', body));
    expect(await replay([{ ...line, new: { in: 'version 2' } }])).toMatchObject([{ totals: { same: 1 } }]);
  });

  it('of nothing there are the totals alone', async () => {
    expect(await replay([])).toMatchObject([{ totals: { complete: true, lines: 0, verdicts: [], rules: [] } }]);
  });

  it.each([
    ['?policy=old', {}, 400, 'policy: must be one of "none"'],
    ['', { 'content-encoding': 'gzip' }, 415, 'a body encoded as gzip is not read: send it as it is'],
  ])('%s %j is refused as a whole', async (query, headers, status, detail) => {
    const answer = await post(`/v1/replays${query}`, '{}', headers);
    expect([answer.statusCode, answer.json<Answer>().detail]).toEqual([status, detail]);
  });
});
