import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { alerts, exposed, namedIn, recordings, sampleNames } from './metric-names.ts';

interface RuleTests {
  readonly tests: readonly {
    readonly promql_expr_test?: readonly { readonly expr: string }[];
    readonly alert_rule_test?: readonly { readonly alertname: string; readonly exp_alerts: readonly unknown[] }[];
  }[];
}

const { tests } = parse(readFileSync('deploy/prometheus/rules.test.yml', 'utf8')) as RuleTests;
const tested = tests.flatMap(({ promql_expr_test: exprs = [] }) => exprs.flatMap(({ expr }) => namedIn(expr)));
const fired = tests.flatMap(({ alert_rule_test: each = [] }) =>
  each.filter(({ exp_alerts: expected }) => expected.length > 0).map(({ alertname }) => alertname),
);

describe('the rules', () => {
  it.each([...recordings.map(({ record, expr }) => [record, expr]), ...alerts.map(({ alert, expr }) => [alert, expr])])(
    '%s reads metrics that there are',
    async (_name, expr = '') => {
      const known = await sampleNames();
      expect(namedIn(expr).filter((name) => !known.has(name))).toEqual([]);
      if (!expr.includes('up{')) expect(namedIn(expr)).not.toEqual([]);
    },
  );

  it('read bounds that are buckets, as Prometheus 2 keeps them and as 3 writes them', async () => {
    const text = await exposed();
    const bounds = [...recordings, ...alerts].flatMap(({ expr }) =>
      [...expr.matchAll(/(\w+)_bucket\{le=~"([^"]+)"\}/g)].map(([, name, le = '']) => ({
        name,
        le: le.replaceAll('\\\\', '\\'),
      })),
    );
    expect(bounds.length).toBeGreaterThan(2);
    for (const { name, le } of bounds) {
      const bound = name?.includes('bytes') ? 2 ** 28 : 1;
      // Go's %g, which writes an exponent from 6 digits on, and a point in any case.
      const spellings = [String(bound), bound === 1 ? '1.0' : bound.toExponential().replace('+', '+0')];
      for (const spelling of spellings) expect(spelling).toMatch(new RegExp(`^(?:${le})$`));
    }
    expect(text).toContain('preflight_predicted_bitmap_limit_ratio_bucket{le="1"}');
  });

  it('hold times against bounds that are buckets: between two a quantile is a guess', async () => {
    const slow = alerts.find(({ alert }) => alert === 'PreflightSlow');
    const bound = / > ([\d.]+)$/.exec(slow?.expr ?? '')?.[1] ?? '';
    expect(await exposed()).toContain(`preflight_http_request_duration_seconds_bucket{le="${bound}",`);
  });

  it('are each tested by promtool', () => {
    expect(new Set(tested)).toEqual(new Set(recordings.map(({ record }) => record)));
    expect(new Set(fired)).toEqual(new Set(alerts.map(({ alert }) => alert)));
  });
});

it('each alert leads to its page, and each page is of an alert', () => {
  expect(alerts.map(({ annotations }) => annotations.runbook_url)).toEqual(
    alerts.map(({ alert }) => `deploy/runbooks/${alert}.md`),
  );
  expect(readdirSync('deploy/runbooks').toSorted()).toEqual(alerts.map(({ alert }) => `${alert}.md`).toSorted());
});

describe.each(readdirSync('deploy/runbooks'))('%s', (page) => {
  const text = readFileSync(`deploy/runbooks/${page}`, 'utf8');

  it('is called after its alert, and says where to look and what to do', () => {
    expect(text).toMatch(new RegExp(`^# ${page.replace('.md', '')}\n`));
    expect(text).toMatch(/^\*\*Look/m);
    expect(text).toMatch(/^\*\*Do\.\*\* /m);
  });

  it('names panels, pages and metrics that there are', async () => {
    const dashboard = readFileSync('deploy/grafana/dashboard.json', 'utf8');
    const panels = [...text.matchAll(/“([^”]+?)(?: …)?”/g)].map(([, title = '']) => title);
    expect(panels.filter((title) => !dashboard.includes(`"title": "${title}`))).toEqual([]);
    const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !readdirSync('deploy/runbooks').includes(link))).toEqual([]);
    const known = await sampleNames();
    expect(namedIn(text).filter((name) => !known.has(name))).toEqual([]);
  });
});
