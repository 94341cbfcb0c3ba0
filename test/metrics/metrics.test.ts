import { beforeEach, describe, expect, it } from 'vitest';
import { factAt, facts } from '../../src/descriptor/questions.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import type { Decision } from '../../src/evaluation/decision.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { examples } from '../../src/http/examples.ts';
import { figuresOf, Metrics } from '../../src/metrics/metrics.ts';
import { rules } from '../../src/rules/index.ts';
import { fleet } from '../bench/fleet.ts';
import { eightDevices } from '../bench/rules.ts';

let metrics: Metrics;
beforeEach(() => {
  metrics = new Metrics({ ruleset: 'r1', version: '1.2.3', rules: rules.map(({ id }) => id), facts, factAt });
});

const example = (name: string): Descriptor => {
  const found = examples[name];
  if (!found) throw new Error(`there is no example ${name}`);
  return found.request;
};

/** A VM with `memory` in one section that type1 tracks, for want of a device that does. */
function tracked(memory: string): Descriptor {
  const { vm, source } = example('domain-switch');
  return { ...example('domain-switch'), vm: { ...vm, machine: 'virt', memory, viommu: null }, source };
}

/** Counts `decision`, which took 200 µs, as whoever answers it does. */
function count(decision: Decision): void {
  metrics.observeEvaluation(decision.decisionId, 0.0002);
  metrics.observeFigures(figuresOf(decision), decision.decisionId);
}

/** Evaluates `descriptor`, and counts that it took 200 µs. */
const observe = (descriptor: Descriptor, includeClear = false): void => count(evaluate(descriptor, { includeClear }));

/** What each series of our own holds, as the classic text has it. */
async function series(): Promise<Map<string, number>> {
  const { text } = await metrics.classic();
  const samples = [...text.matchAll(/^(preflight_\S+) (\S+)$/gm)];
  return new Map(samples.map(([, name = '', value]) => [name, Number(value)]));
}

/** Series that are not 0, without the buckets of histograms. */
const counted = async (): Promise<Record<string, number>> =>
  Object.fromEntries([...(await series())].filter(([name, value]) => value !== 0 && !/_bucket|_info/.test(name)));

const bug = '{backend="legacy",transition="dma-to-blocking"}';
const bugBucket = (le: string): string => `preflight_predicted_dirty_bitmap_bytes_bucket{le="${le}",${bug.slice(1)}`;

describe('what is counted of a decision', () => {
  it('the bug this project began with: the worst transition of the container only', async () => {
    observe(example('domain-switch'));
    const found = evaluate(example('domain-switch')).findings.map(
      ({ rule, outcome }) => [`preflight_findings_total{rule="${rule}",outcome="${outcome}"}`, 1] as const,
    );
    expect(found.length).toBeGreaterThan(1);
    expect(await counted()).toEqual({
      'preflight_decisions_total{verdict="risky"}': 1,
      ...Object.fromEntries(found),
      [`preflight_predicted_dirty_bitmap_bytes_sum${bug}`]: 4 * 2 ** 30,
      [`preflight_predicted_dirty_bitmap_bytes_count${bug}`]: 1,
      [`preflight_predicted_unmap_calls_sum${bug}`]: 28,
      [`preflight_predicted_unmap_calls_count${bug}`]: 1,
      preflight_predicted_bitmap_limit_ratio_sum: 16,
      preflight_predicted_bitmap_limit_ratio_count: 1,
      preflight_evaluation_duration_seconds_sum: 0.0002,
      preflight_evaluation_duration_seconds_count: 1,
    });
  });

  it('256 MiB is an exact bound of the bitmaps', async () => {
    observe(example('domain-switch'));
    const all = await series();
    expect([all.get(bugBucket('268435456')), all.get(bugBucket('4294967296'))]).toEqual([0, 1]);
  });

  it('not the rules that are listed although they are clear', async () => {
    observe(eightDevices('11.1.3'), true);
    expect(Object.keys(await counted())).not.toContainEqual(expect.stringContaining('findings'));
  });

  it('the facts that an unknown verdict lacks, by what they are called in every VM', async () => {
    observe(example('unknown'));
    expect(await counted()).toMatchObject({
      'preflight_decisions_total{verdict="unknown"}': 1,
      'preflight_missing_facts_total{fact="/*/devices/*/dmaLogging"}': 1,
    });
  });

  it('the rules that refuse a VM: not what a guest must bring about, nor what QEMU does not come to', async () => {
    const decision = evaluate(example('vfio-behind-viommu'));
    const fired = decision.findings.filter(({ outcome }) => outcome === 'fires');
    expect(decision.verdict).toBe('blocked');
    expect(fired.some(({ trigger }) => trigger !== undefined)).toBe(true);
    count(decision);
    const refusals = Object.entries(await counted()).filter(([name]) => name.startsWith('preflight_refusals_total'));
    expect(refusals).toEqual([['preflight_refusals_total{rule="vfio-viommu"}', 1]]);
  });

  it('a rule that refuses several devices once, and not one behind another or of a VM that is not blocked', async () => {
    const decision = evaluate(example('vfio-behind-viommu'));
    const [finding] = decision.findings;
    if (!finding) throw new Error('there is no finding');
    const refusal = {
      ...finding,
      rule: 'vfio-viommu',
      outcome: 'fires',
      effect: 'blocker',
      trigger: undefined,
    } as const;
    const behind = { ...refusal, rule: 'vfio-ats', shadowedBy: 'vfio-viommu' };
    const findings = [refusal, { ...refusal, device: 'hostdev1' }, behind];
    expect([...figuresOf({ ...decision, findings }).refusedBy]).toEqual(['vfio-viommu']);
    expect([...figuresOf({ ...decision, findings, verdict: 'unknown' }).refusedBy]).toEqual([]);
  });

  it('not the facts for want of which no verdict is unknown', async () => {
    count({ ...evaluate(example('unknown')), verdict: 'blocked' });
    expect(Object.keys(await counted())).not.toContainEqual(expect.stringContaining('missing'));
  });

  it.each([
    ['4GiB', 2 ** 17 / 2 ** 28],
    ['6TiB', 3 / 4],
  ])('how close to the limit type1 comes as it tracks %s', async (memory, ratio) => {
    observe(tracked(memory));
    expect(await counted()).toMatchObject({ preflight_predicted_bitmap_limit_ratio_sum: ratio });
  });

  it('1 is an exact bound of how close', async () => {
    observe(tracked('6TiB'));
    observe(example('domain-switch'));
    const bucket = (le: string): string => `preflight_predicted_bitmap_limit_ratio_bucket{le="${le}"}`;
    const all = await series();
    expect(['0.5', '0.75', '1', '16'].map((le) => all.get(bucket(le)))).toEqual([0, 1, 1, 2]);
  });

  const held = tracked('4GiB');
  it.each([
    ['that the device tracks: nothing is held against the limit', eightDevices('11.1.3')],
    ['whose tracking cannot start', tracked('8TiB')],
    ['whose kernel takes no bitmap', { ...held, source: { ...held.source, type1: { maxDirtyBitmapSize: 0 } } }],
  ])('no such ratio of a container %s', async (_name, descriptor) => {
    observe(descriptor);
    expect(Object.keys(await counted())).not.toContainEqual(expect.stringContaining('_ratio_'));
  });

  it('one that is given again and again counts as often, but was reached once', async () => {
    const decision = evaluate(example('domain-switch'));
    metrics.observeFigures(figuresOf(decision), decision.decisionId, 3);
    const all = await counted();
    expect(all).toMatchObject({
      'preflight_decisions_total{verdict="risky"}': 3,
      [`preflight_predicted_dirty_bitmap_bytes_count${bug}`]: 3,
    });
    expect(Object.keys(all)).not.toContainEqual(expect.stringContaining('evaluation'));
  });

  it('whether QEMU says what was predicted', async () => {
    const { vm, source } = eightDevices('11.1.3');
    for (const blockedReasons of [[], ['a reason that no rule knows'], ['another']]) {
      metrics.observeAgreement(evaluate({ state: 'running', vm: { ...vm, runtime: { blockedReasons } }, source }));
    }
    expect(await counted()).toEqual({
      'preflight_agreement_total{outcome="agrees"}': 1,
      'preflight_agreement_total{outcome="contradicted"}': 2,
    });
  });
});

describe('series', () => {
  it('are there from the start where a first increase must show', async () => {
    const all = await series();
    for (const verdict of ['allowed', 'risky', 'blocked', 'unsafe', 'unknown']) {
      expect(all.get(`preflight_decisions_total{verdict="${verdict}"}`)).toBe(0);
    }
    for (const { id } of rules) {
      expect(all.get(`preflight_findings_total{rule="${id}",outcome="fires"}`)).toBe(0);
      expect(all.get(`preflight_findings_total{rule="${id}",outcome="contradicted"}`)).toBe(0);
      expect(all.get(`preflight_refusals_total{rule="${id}"}`)).toBe(0);
    }
    for (const fact of facts) expect(all.get(`preflight_missing_facts_total{fact="${fact}"}`)).toBe(0);
    expect(all.get('preflight_batch_failed_items_total')).toBe(0);
    expect(all.get('preflight_ruleset_info{ruleset="r1"}')).toBe(1);
    expect(all.get('preflight_build_info{version="1.2.3"}')).toBe(1);
  });

  it('carry no name of a VM, a device or a host, and become no more with more VMs', async () => {
    const vms = [...fleet(60)];
    for (const vm of vms) observe(vm);
    const names = [...(await series()).keys()];
    for (const { vm, ...rest } of vms)
      observe({ ...rest, ref: `another ${rest.ref}`, vm: { ...vm, name: `another ${vm.name}` } });
    expect([...(await series()).keys()]).toEqual(names);
    expect(names.join('\n')).not.toMatch(/instance|another|hostdev\d|\w{4}:\w\w:\w\w\.\d/);
  });
});

describe('the two texts of the one registry', () => {
  beforeEach(() => {
    for (const vm of fleet(20)) observe(vm);
    observe(example('domain-switch'));
  });

  /** Samples without the time that passes between two scrapes. */
  const samples = (text: string): string[] =>
    text.split('\n').filter((line) => line !== '' && !line.startsWith('#') && !/^(?:process|nodejs)_/.test(line));

  it('say the same, whichever is asked for first', async () => {
    const [before, openMetrics, after] = [
      await metrics.classic(),
      await metrics.openMetrics(),
      await metrics.classic(),
    ];
    const plain = openMetrics.text.replaceAll(/ # \{.*$/gm, '');
    expect(samples(before.text)).toEqual(samples(plain));
    expect(samples(after.text)).toEqual(samples(plain));
    expect(samples(plain).length).toBeGreaterThan(100);
  });

  it('OpenMetrics has exemplars with the address of a decision, and an end', async () => {
    const { type, text } = await metrics.openMetrics();
    const { decisionId } = evaluate(example('domain-switch'));
    expect(type).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8');
    expect(text).toMatch(
      new RegExp(
        `^preflight_predicted_dirty_bitmap_bytes_bucket\\{le="4294967296".* # \\{decisionId="${decisionId}"\\}`,
        'm',
      ),
    );
    expect(text).toContain('# TYPE preflight_decisions counter\n');
    expect(text.endsWith('\n# EOF\n')).toBe(true);
  });

  it('the classic text has neither, and counters under the name of their samples', async () => {
    const { type, text } = await metrics.classic();
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8');
    expect(text).not.toMatch(/decisionId|EOF/);
    expect(text).toContain(
      '# HELP preflight_decisions_total Decisions by verdict.\n# TYPE preflight_decisions_total counter\n',
    );
    expect(text).toContain('# TYPE preflight_predicted_unmap_calls histogram\n');
    expect(text).toContain('# TYPE process_cpu_seconds_total counter\n');
    expect(text).not.toMatch(/_total gauge$/m);
  });
});
