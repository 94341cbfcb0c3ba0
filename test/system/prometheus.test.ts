import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { panels } from '../deploy/dashboard.ts';
import { alerts, recordings } from '../deploy/metric-names.ts';
import { start, type Service } from '../e2e/service.ts';
import { exampleDecisionIds, sendMixedLoad } from './load.ts';
import { type Prometheus, type Sample, startPrometheus } from './prometheus.ts';

/** Rates need two scrapes, and rules one more evaluation. */
const patiently = { timeout: 40_000, interval: 1000 };

/** Runs promtool, and says what it printed unless all is well. */
function promtool(command: string[], input = ''): string {
  const { error, status, stdout, stderr } = spawnSync('promtool', command, { input, encoding: 'utf8' });
  if (error) throw error;
  return status === 0 ? '' : `${stdout}${stderr}`;
}

describe('promtool', () => {
  it.each([
    [['check', 'config', 'deploy/prometheus/prometheus.yml']],
    [['check', 'rules', 'deploy/prometheus/rules.yml']],
    [['test', 'rules', 'deploy/prometheus/rules.test.yml']],
  ])('%j', (command) => {
    expect(promtool(command)).toBe('');
  });
});

describe('a Prometheus that scrapes a service under mixed load', () => {
  let service: Service;
  let address: string;
  let prometheus: Prometheus;
  const load = { isOn: true, done: Promise.resolve() };

  beforeAll(async () => {
    service = start({ PORT: '0' });
    address = await service.address;
    prometheus = await startPrometheus(new URL(address).host);
    await scraped();
    load.done = keepLoad();
  });
  afterAll(async () => {
    load.isOn = false;
    try {
      await load.done;
    } finally {
      await prometheus.stop();
      service.stop();
      await service.exit;
    }
  });

  /** What is counted from 0 on must be seen as 0 before it counts. */
  const scraped = (): Promise<unknown> =>
    vi.waitUntil(async () => (await query('preflight_build_info')).length > 0, { timeout: 20_000, interval: 200 });

  async function keepLoad(): Promise<void> {
    if (!load.isOn) return;
    await sendMixedLoad(address);
    await sleep(300);
    return keepLoad();
  }

  /** Series that `expr` finds, and whose value is a number. */
  const query = async (expr: string): Promise<Sample[]> => {
    const { result } = await prometheus.ask<{ result: Sample[] }>('query', { query: expr });
    return result.filter(({ value: [, value] }) => Number.isFinite(Number(value)));
  };

  /** Those of `exprs` that find nothing. */
  async function unanswered(exprs: readonly string[]): Promise<string[]> {
    const found = await Promise.all(exprs.map(query));
    return exprs.filter((_, index) => found[index]?.length === 0);
  }

  it('takes every kind of request', async () => {
    expect((await sendMixedLoad(address)).toSorted((a, b) => a - b).slice(-2)).toEqual([200, 400]);
  });

  it('has data from every recording rule', async () => {
    await expect.poll(() => unanswered(recordings.map(({ record }) => record)), patiently).toEqual([]);
  });

  it('finds a series for every query of every panel', async () => {
    const exprs = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
    expect(exprs.length).toBeGreaterThan(20);
    await expect.poll(() => unanswered(exprs.map(asGrafanaAsks)), patiently).toEqual([]);
  });

  it('finds no rule that fails, and fires what the load is to fire', async () => {
    const { groups } = await prometheus.ask<{
      groups: { rules: { name: string; health: string; state?: string }[] }[];
    }>('rules');
    const rules = groups.flatMap((group) => group.rules);
    expect(new Set(rules.map(({ name }) => name))).toEqual(
      new Set([...recordings.map(({ record }) => record), ...alerts.map(({ alert }) => alert)]),
    );
    expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
    const firing = rules.flatMap(({ name, state }) => (state === 'firing' ? [name] : []));
    expect(firing).toEqual(['PreflightContradicted', 'PreflightBitmapOverLimit']);
  });

  it('counts exactly what exceeds 256 MiB', async () => {
    const buckets = await query('preflight_predicted_dirty_bitmap_bytes_bucket{le="268435456"}');
    expect(buckets).not.toEqual([]);
    expect(await query('preflight_predicted_bitmap_limit_ratio_bucket{le="1"}')).toHaveLength(1);
  });

  it('keeps exemplars that carry the address of a decision', async () => {
    const now = Date.now() / 1000;
    const found = await prometheus.ask<{ exemplars: { labels: { decisionId: string } }[] }[]>('query_exemplars', {
      query: 'preflight_predicted_dirty_bitmap_bytes_bucket',
      start: String(now - 120),
      end: String(now + 1),
    });
    const ids = found.flatMap(({ exemplars }) => exemplars.map(({ labels }) => labels.decisionId));
    expect(ids.some((id) => exampleDecisionIds().has(id))).toBe(true);
  });

  it('would find nothing to complain of in the metrics', async () => {
    const classic = await (await fetch(`${address}/metrics`)).text();
    expect(classic).toContain('preflight_decisions_total{verdict="blocked"}');
    expect(promtool(['check', 'metrics'], classic)).toBe('');
  });
});

/** `expr` with Grafana's variables put in, for a dashboard of one minute that is scraped each second. */
const asGrafanaAsks = (expr: string): string =>
  expr.replaceAll('$__rate_interval', '10s').replaceAll('$__range', '1m').replaceAll('$job', '.+');
