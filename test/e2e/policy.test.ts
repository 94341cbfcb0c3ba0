import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Decision } from '../../src/evaluation/decision.ts';
import { examples } from '../../src/http/examples.ts';
import { parsePolicy } from '../../src/http/policy-file.ts';
import { Files } from './certificates.ts';
import { type Service, start } from './service.ts';

const services: Service[] = [];
const files = new Files();
afterAll(() => files.remove());
afterEach(async () => {
  for (const each of services) each.stop();
  await Promise.all(services.splice(0).map(({ exit }) => exit));
});

/** Two policies that say of any VM which one was heeded: in the findings, in a default, and in the revision. */
const policy = (name: string, downtimeLimitMs: number): string => `version: 1
rules:
  - { id: site-${name}, when: "true", verdict: risky, message: "{migration.downtimeLimitMs} of ${name}" }
defaults:
  migration: { parameters: { downtimeLimitMs: ${downtimeLimitMs} } }
`;
const texts = { odd: policy('odd', 111), even: policy('even', 222) };
const says: Readonly<Record<string, string>> = { odd: '111 of odd', even: '222 of even' };
const names = new Map(
  Object.entries(texts).map(([name, text]) => [parsePolicy(text).at(Date.now()).revision, name] as const),
);

const question = JSON.stringify(examples['domain-switch']?.request);

/** Which policy made `decision`, all of it. */
function madeBy({ policyRevision = '', findings }: Decision): string {
  const name = names.get(policyRevision) ?? 'none';
  const site = findings.filter(({ layer }) => layer === 'policy');
  expect(site.map(({ rule, messages }) => [rule, messages.site])).toEqual([[`site-${name}`, says[name]]]);
  return name;
}

async function post(address: string, path: string, body: string, type: string): Promise<string> {
  const answer = await fetch(address + path, { method: 'POST', body, headers: { 'content-type': type } });
  const text = await answer.text();
  expect([answer.status, text.slice(0, answer.ok ? 0 : 300)]).toEqual([200, '']);
  return text;
}

const evaluate = async (address: string): Promise<string> =>
  madeBy(JSON.parse(await post(address, '/v1/evaluations?remedies=false', question, 'application/json')) as Decision);

/** Lines of which no two are alike, so that each is judged. */
const lines = Array.from({ length: 400 }, (_, index) =>
  question.replace('"4GiB"', String(2 ** 32 + index * 2 ** 21)),
).join('\n');

async function batch(address: string): Promise<string> {
  const text = await post(address, '/v1/evaluations/batch', lines, 'application/x-ndjson');
  const answers = text.trim().split('\n').slice(0, -1);
  expect(answers).toHaveLength(400);
  const makers = new Set(answers.map((line) => madeBy(JSON.parse(line) as Decision)));
  expect(makers.size).toBe(1);
  return String([...makers][0]);
}

describe('a policy that changes under load', () => {
  it('answers every request whole by one or the other, and none not at all', { timeout: 120_000 }, async () => {
    const file = files.write('policy.yaml', texts.odd);
    const service = start({ PORT: '0', POLICY_FILE: file, QUEUE_DELAY_MS: '60000' });
    services.push(service);
    const address = await service.address;
    const seen: Record<string, number> = {};
    const over = new AbortController();
    const ask = async (how: typeof evaluate): Promise<void> => {
      while (!over.signal.aborted) {
        const name = await how(address);
        seen[name] = (seen[name] ?? 0) + 1;
      }
    };
    const change = async (): Promise<void> => {
      for (let turn = 1; turn <= 30; turn++) {
        files.write('policy.yaml', turn % 2 === 0 ? texts.even : texts.odd);
        service.hangUp();
        await sleep(100);
      }
      // What is no policy changes nothing.
      files.write('policy.yaml', 'version: one');
      service.hangUp();
      await sleep(100);
      over.abort();
    };
    const asking = [evaluate, evaluate, evaluate, batch, batch].map(ask);
    await Promise.all([change(), ...asking]);
    expect(seen['odd']).toBeGreaterThan(0);
    expect(seen['even']).toBeGreaterThan(0);
    expect(Object.keys(seen).toSorted()).toEqual(['even', 'odd']);
    expect(service.said.filter((line) => line.includes('files loaded')).length).toBeGreaterThan(20);
    expect(service.said.some((line) => line.includes('files not loaded') && line.includes('line 1: /version'))).toBe(
      true,
    );
    expect(await evaluate(address)).toBe('even');
  });

  it('is taken without a signal, too', async () => {
    const file = files.write('policy.yaml', texts.odd);
    const service = start({ PORT: '0', POLICY_FILE: file });
    services.push(service);
    const address = await service.address;
    expect(await evaluate(address)).toBe('odd');
    files.write('policy.yaml', texts.even);
    await expect.poll(() => evaluate(address), { timeout: 10_000 }).toBe('even');
  });
});

it('a service whose policy is wrong does not start, and names the lines', async () => {
  const service = start({ PORT: '0', POLICY_FILE: files.write('wrong.yaml', 'version: 1\nrule: []\n') });
  services.push(service);
  expect(await service.exit).toBe(1);
  expect(service.said.join('\n')).toContain('policy: line 2: /rule: no such member; the nearest known is \\"rules\\"');
});
