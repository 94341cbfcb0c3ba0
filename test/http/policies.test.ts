import { setImmediate } from 'node:timers/promises';
import { Registry, type RegistryContentType } from 'prom-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Policies } from '../../src/http/policies.ts';
import { PolicyMetrics } from '../../src/metrics/policy-metrics.ts';
import { collectGarbage } from '../bench/compare.ts';
import { Files } from '../e2e/certificates.ts';

let files = new Files();
let said: string[] = [];
let registry = new Registry<RegistryContentType>();
beforeEach(() => {
  files = new Files();
  said = [];
  registry = new Registry();
});
afterEach(() => files.remove());

const observer = {
  loaded: (name: string): unknown => said.push(`${name} loaded`),
  failed: (_name: string, error: Error): unknown => said.push(error.message),
};

const START = Date.parse('2026-11-22T12:00:00Z');

const open = (text: string, now: () => number = () => START): Promise<Policies> =>
  Policies.open(files.write('policy.yaml', text), observer, new PolicyMetrics(registry), now);

const limit = (most: number): string =>
  `version: 1\nlimits:\n  - { figure: unmapCalls, most: ${most}, verdict: risky }\n`;

const sample = async (name: string): Promise<Record<string, number>> => {
  const metric = await registry.getSingleMetric(name)?.get();
  return Object.fromEntries((metric?.values ?? []).map(({ labels, value }) => [Object.values(labels).join(), value]));
};

describe('the policy of a site', () => {
  it('is silent without a file', async () => {
    const none = await Policies.open(null, observer, new PolicyMetrics(registry));
    expect(none.for({}).policy).toBeNull();
    expect(none.content).toEqual({ version: 1 });
    expect(none.status).toEqual({ revision: null, loadedAt: null, failure: null });
    await none.reload();
    expect(said).toEqual([]);
  });

  it('is silent for who asks for none', async () => {
    const policies = await open(limit(1));
    expect(policies.for({ policy: 'none' }).policy).toBeNull();
    expect(policies.for({}).policy?.revision).toMatch(/^[0-9a-f]{12}$/);
  });

  it('must be good as the service starts', async () => {
    await expect(open('version: 1\nlimit: []\n')).rejects.toThrow(
      'policy: line 2: /limit: no such member; the nearest known is "limits"',
    );
  });

  it('stays the last good one while the file is not, and says so', async () => {
    const policies = await open(limit(1));
    const good = policies.for({});
    files.write('policy.yaml', limit(1).replace('risky', 'rsky'));
    await policies.reload();
    expect(policies.for({})).toBe(good);
    expect(policies.status).toMatchObject({
      revision: good.policy?.revision,
      failure: { detail: expect.stringContaining('line 3: /limits/0/verdict') as string },
    });
    expect(said.at(-1)).toContain('line 3: /limits/0/verdict');
    expect(await sample('preflight_policy_reloads_total')).toEqual({ loaded: 1, failed: 1 });
    files.write('policy.yaml', limit(2));
    await policies.reload();
    expect(policies.status.failure).toBeNull();
    expect(policies.for({}).policy?.revision).not.toBe(good.policy?.revision);
    expect(await sample('preflight_policy_info')).toEqual({ [String(policies.status.revision)]: 1 });
  });

  it('is another once an acceptance ends, without anybody reading the file', async () => {
    let now = START;
    const text = 'version: 1\naccept:\n  - { trigger: reset, by: a, why: b, until: 2026-11-22 }\n';
    const policies = await open(text, () => now);
    const before = policies.for({});
    now = Date.parse('2026-11-22T23:59:59.999Z');
    expect(policies.for({})).toBe(before);
    now++;
    expect(policies.for({}).policy?.revision).not.toBe(before.policy?.revision);
  });

  it('leaves nothing behind when it is replaced', async () => {
    const policies = await open(limit(0));
    const replaced: WeakRef<object>[] = [];
    for (let most = 1; most <= 100; most++) {
      files.write('policy.yaml', limit(most));
      replaced.push(new WeakRef(policies.content), new WeakRef(policies.for({})));
      await policies.reload();
    }
    // What a WeakRef was asked for, or made of, lives on to the end of the turn.
    await setImmediate();
    collectGarbage();
    expect(replaced.filter((each) => each.deref() !== undefined)).toHaveLength(0);
  });
});
