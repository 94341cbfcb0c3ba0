import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FastifyInstance } from 'fastify';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import type { Decision } from '../../src/evaluation/decision.ts';
import type { Placements } from '../../src/evaluation/placements-schema.ts';
import type { PolicyAnswer } from '../../src/http/policy-schema.ts';
import { Files } from '../e2e/certificates.ts';
import { descriptorWith } from '../rules/rule-tester.ts';

const POLICY = `version: 1
rules:
  - { id: site-old-qemu, when: "source.qemu < version('11.0')", verdict: blocked, message: "QEMU {source.qemu} is too old" }
  - { id: site-labelled, when: "'hold' in vm.labels", verdict: risky, message: "label hold" }
accept:
  - { rule: site-old-qemu, labels: { class: batch }, by: a, why: b, until: 2100-01-01 }
defaults:
  migration: { guestEvents: [unmap] }
  source: { kernel: "6.12", iommu: { vendor: amd }, devices: { "*": { ats: false } } }
  destination: { kernel: "6.13" }
  hosts: { rack7: { qemu: "9.1.0", kernel: "6.14", devices: { "*": { driver: mlx5_vfio_pci } } } }
`;

const files = new Files();
afterAll(() => files.remove());
let app: FastifyInstance;
let file = '';
beforeEach(async () => {
  file = files.write('policy.yaml', POLICY);
  app = await buildApp(readConfig({ POLICY_FILE: file }));
});
afterEach(() => app.close());

async function evaluate(descriptor: object, query = ''): Promise<Decision> {
  const answer = await app.inject({ method: 'POST', url: `/v1/evaluations${query}`, payload: descriptor });
  expect(answer.statusCode).toBe(200);
  return answer.json();
}

const vm = descriptorWith({});
const get = async <T>(url: string): Promise<T> => (await app.inject(url)).json();

describe('an evaluation under a policy', () => {
  it('heeds it, and says which', async () => {
    const decision = await evaluate(vm);
    const { revision } = await get<PolicyAnswer>('/v1/policy');
    expect(decision).toMatchObject({ verdict: 'blocked', because: ['site-policy'], policyRevision: revision });
  });

  it('does not with ?policy=none, nor rests on its facts', async () => {
    const { kernel: _, ...source } = vm.source;
    const without = await evaluate({ ...vm, source }, '?policy=none');
    expect(without.policyRevision).toBeUndefined();
    expect(without.findings.filter(({ layer }) => layer === 'policy')).toEqual([]);
    const answer = await app.inject({ method: 'POST', url: '/v1/evaluations?policy=all', payload: vm });
    expect(answer.statusCode).toBe(400);
  });

  it('has its facts where the request says nothing, with the origin site', async () => {
    const source = { qemu: '10.2.2', pageSize: '4KiB', devices: vm.source.devices };
    const viommu = { model: 'intel', addressWidth: 48, cachingMode: true };
    const decision = await evaluate({ ...vm, vm: { ...vm.vm, viommu }, source });
    const readings = decision.findings.flatMap(({ evidence }) => evidence);
    expect(readings.find(({ pointer }) => pointer === '/migration/guestEvents')).toMatchObject({ origin: 'site' });
    expect(decision.findings.map(({ trigger }) => trigger)).not.toContain('domain-switch');
    expect(decision.unknowns.map(({ pointer }) => pointer)).not.toContain('/source/kernel');
  });

  it('tells devices that it knows by their address from others, whatever was asked before', async () => {
    const known = '0000:3b:00.1';
    const short = `version: 1\ndefaults: { source: { devices: { "${known}": { dmaLoggingAddressSpace: { maxBits: 30 } } } } }`;
    const other = await buildApp(readConfig({ POLICY_FILE: files.write('addresses.yaml', short) }));
    const verdicts: string[] = [];
    for (const host of ['0000:3b:00.2', '0000:3b:00.2', '0000:3b:00.2', known, known, known]) {
      const payload = { ...vm, vm: { ...vm.vm, vfio: [{ host, enableMigration: 'on' }] } };
      const answer = await other.inject({ method: 'POST', url: '/v1/evaluations', payload });
      verdicts.push(answer.json<Decision>().verdict);
    }
    await other.close();
    expect(verdicts).toEqual(['allowed', 'allowed', 'allowed', 'blocked', 'blocked', 'blocked']);
  });

  it('knows its hosts by name, wherever a host can be named, with the origin site', async () => {
    const named = { vm: { ...vm.vm, name: 'named' } };
    const decision = await evaluate(named, '?source=rack7');
    const readings = decision.findings.flatMap(({ evidence }) => evidence);
    expect(readings.find(({ pointer }) => pointer === '/source/qemu')).toMatchObject({
      origin: 'site',
      value: '9.1.0',
    });
    const source = { profile: 'rack7' };
    const asked = [
      ['/v1/evaluations/batch', JSON.stringify({ ...named, source }), 'application/x-ndjson'],
      ['/v1/imports?source=rack7', JSON.stringify(named), 'application/json'],
      [
        '/v1/placements',
        JSON.stringify({ ...named, source, candidates: [{ host: { profile: 'rack7' } }] }),
        'application/json',
      ],
    ] as const;
    for (const [url, payload, type] of asked) {
      const answer = await app.inject({ method: 'POST', url, payload, headers: { 'content-type': type } });
      expect([url, answer.statusCode, answer.body.includes('"errors":1')]).toEqual([url, 200, false]);
    }
    const none = await app.inject({ method: 'POST', url: '/v1/evaluations?source=rack7&policy=none', payload: named });
    expect(none.json()).toMatchObject({ status: 400, detail: 'source: no host profiles are configured' });
  });

  it('has the facts of the request where both say something', async () => {
    const decision = await evaluate({ ...vm, migration: { guestEvents: ['reset'] } });
    const readings = decision.findings.flatMap(({ evidence }) => evidence);
    expect(readings.filter(({ origin }) => origin === 'site').map(({ pointer }) => pointer)).not.toContain(
      '/migration/guestEvents',
    );
  });

  it('shows what it finds and accepts in the report', async () => {
    const labels = { class: 'batch', hold: 'yes' };
    const url = '/v1/evaluations?format=text';
    const { body } = await app.inject({ method: 'POST', url, payload: { ...vm, vm: { ...vm.vm, labels } } });
    const { revision } = await get<PolicyAnswer>('/v1/policy');
    expect(body).toContain('RISKY: QEMU accepts the migration, but: site-labelled: "label hold".');
    expect(body).toContain('Site policy\n\n  site-labelled\n    risky\n    "label hold"\n');
    expect(body).toContain(
      'Accepted by the site policy\n\n  site-old-qemu\n    refused\n    "QEMU 10.2.2 is too old"\n    Accepted by a until 2100-01-01: b\n',
    );
    expect(body).toContain(`Policy ${revision}\n`);
  });
});

describe('a batch under a policy', () => {
  const batch = async (items: readonly object[], query = ''): Promise<Decision[]> => {
    const payload = items.map((item) => `${JSON.stringify(item)}\n`).join('');
    const headers = { 'content-type': 'application/x-ndjson' };
    const url = `/v1/evaluations/batch${query}`;
    const { body } = await app.inject({ method: 'POST', url, payload, headers });
    return body
      .trim()
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Decision);
  };
  const named = (name: string, labels?: object): object => ({
    ...vm,
    ref: name,
    vm: { ...vm.vm, name, ...(labels && { labels }) },
  });

  it('answers VMs alike but for names as it does each alone', async () => {
    const items = [
      named('a'),
      named('b', { class: 'batch' }),
      named('c'),
      named('d', { class: 'batch' }),
      named('e', { name: 'x' }),
    ];
    const answers = await batch(items);
    expect(answers.map(({ verdict }) => verdict)).toEqual(['blocked', 'allowed', 'blocked', 'allowed', 'blocked']);
    for (const [index, item] of items.entries()) {
      const alone = await evaluate(item);
      expect(answers[index]).toMatchObject({ decisionId: alone.decisionId, policyRevision: alone.policyRevision });
    }
  });

  it('keeps answers of one policy apart from those of another, and of none', async () => {
    const revisions = async (): Promise<(string | undefined)[]> =>
      [...(await batch([vm, vm])), ...(await batch([vm], '?policy=none'))].map(({ policyRevision }) => policyRevision);
    const [before, again, none] = await revisions();
    expect([again, none]).toEqual([before, undefined]);
    files.write('policy.yaml', 'version: 1\n');
    await app.reload();
    const [after] = await revisions();
    expect(after).not.toBe(before);
    expect((await batch([vm]))[0]?.verdict).toBe('allowed');
  });
});

describe('placements under a policy', () => {
  const place = async (query = ''): Promise<Placements> => {
    const candidates = [
      { host: { ...vm.source, qemu: '11.0.2' } },
      { ref: 'bare', host: { qemu: '10.2.2', devices: vm.source.devices } },
    ];
    const { destination: _, ...rest } = { ...vm, destination: undefined, candidates };
    return (await app.inject({ method: 'POST', url: `/v1/placements${query}`, payload: rest })).json();
  };

  it('have the verdicts that evaluations have', async () => {
    const placed = await place();
    expect(placed.policyRevision).toMatch(/^[0-9a-f]{12}$/);
    expect(new Set(placed.groups.map(({ verdict }) => verdict))).toEqual(new Set(['blocked']));
    for (const { findings } of placed.groups) expect(findings.map(({ rule }) => rule)).toContain('site-old-qemu');
    expect((await place('?policy=none')).policyRevision).toBeUndefined();
  });
});

describe('GET /v1/policy', () => {
  it('shows what is in force', async () => {
    expect(await get('/v1/policy')).toMatchObject({
      revision: expect.stringMatching(/^[0-9a-f]{12}$/) as string,
      loadedAt: expect.stringMatching(/^20\d\d-/) as string,
      failure: null,
      policy: { version: 1, rules: [{ id: 'site-old-qemu' }, { id: 'site-labelled' }], accept: [{ by: 'a' }] },
    });
  });

  it('says what is wrong with the file, and readiness that something is', async () => {
    const { revision } = await get<PolicyAnswer>('/v1/policy');
    files.write('policy.yaml', POLICY.replace('hold', "ho'ld"));
    await app.reload();
    expect(await get('/v1/policy')).toMatchObject({
      revision,
      failure: { detail: expect.stringMatching(/^policy: line 4: /) as string },
    });
    expect((await get<{ policy: object }>('/health/ready')).policy).toEqual({ revision, stale: true });
    expect((await evaluate(vm)).policyRevision).toBe(revision);
    files.write('policy.yaml', POLICY);
    await app.reload();
    expect((await get<{ policy: object }>('/health/ready')).policy).toEqual({ revision, stale: false });
  });

  it('is of an empty policy without a file', async () => {
    const bare = await buildApp(readConfig({}));
    const answer = await bare.inject('/v1/policy');
    expect(answer.json()).toEqual({ revision: null, loadedAt: null, failure: null, policy: { version: 1 } });
    await bare.close();
  });
});

it('rules of the site are counted together', async () => {
  await evaluate(vm);
  const { body } = await app.inject('/metrics');
  expect(body).toMatch(/^preflight_findings_total\{rule="site",outcome="fires"\} 1$/m);
  expect(body).not.toContain('site-old-qemu');
});
