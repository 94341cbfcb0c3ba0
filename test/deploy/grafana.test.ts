import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { namedIn, sampleNames } from './metric-names.ts';
import { panels, rows } from './dashboard.ts';

describe('the dashboard', () => {
  it('has a row a question, and no row without a panel', () => {
    expect(rows.map(({ title }) => title)).toEqual([
      'What do we answer?',
      'How large are the bitmaps that our fleet’s migrations would need, and what share exceeds 256 MiB?',
      'How close to the limit are we?',
      'Which rules block most?',
      'What share of answers is unknown, and for want of which fact?',
      'Do predictions agree with QEMU’s own reasons?',
      'How fast are we?',
      'How loaded are we?',
    ]);
    for (const [index, { gridPos }] of rows.entries()) {
      const next = rows[index + 1]?.gridPos.y ?? Number.POSITIVE_INFINITY;
      expect(panels.filter((panel) => panel.gridPos.y > gridPos.y && panel.gridPos.y < next)).not.toEqual([]);
    }
  });

  it('has panels of one id each that do not cover one another', () => {
    const all = [...rows, ...panels];
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    const cells = all.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(all.filter(({ gridPos: { x, w } }) => x + w > 24)).toEqual([]);
  });

  it.each(panels.map((panel) => [panel.title, panel] as const))(
    '%s: metrics that there are, and a unit',
    async (_, panel) => {
      const known = await sampleNames();
      expect(panel.targets).not.toEqual([]);
      for (const { expr } of panel.targets) {
        expect(namedIn(expr)).not.toEqual([]);
        expect(namedIn(expr).filter((name) => !known.has(name))).toEqual([]);
      }
      const unit = panel.fieldConfig.defaults.unit ?? panel.options.yAxis?.unit;
      if (panel.type !== 'table') expect(unit).toMatch(/^\w+$/);
      expect(panel.datasource).toEqual({ type: 'prometheus', uid: '${datasource}' });
    },
  );

  it('shows bitmaps as a heatmap in bytes, and marks the limit', () => {
    const heatmaps = panels.filter(({ type }) => type === 'heatmap');
    expect(heatmaps.map(({ options, targets }) => [options.yAxis?.unit, targets[0]?.expr])).toEqual([
      ['bytes', expect.stringContaining('preflight_predicted_dirty_bitmap_bytes_bucket')],
    ]);
    const limits = (unit: string): (number | null | undefined)[] =>
      panels
        .filter(({ fieldConfig }) => fieldConfig.defaults.unit === unit && fieldConfig.defaults.thresholds)
        .map(({ fieldConfig }) => fieldConfig.defaults.thresholds?.steps.at(-1)?.value);
    expect(limits('bytes')).toEqual([256 * 2 ** 20]);
    expect(limits('percentunit')).toContain(1);
  });
});

describe('what is provisioned', () => {
  const provisioned = (path: string): unknown => parse(readFileSync(`deploy/grafana/provisioning/${path}.yml`, 'utf8'));
  const { services } = parse(readFileSync('deploy/compose.yaml', 'utf8')) as {
    services: Record<'grafana' | 'prometheus', { volumes: string[] }>;
  };
  const mounts = services.grafana.volumes.map((volume) => volume.split(':') as [string, string, string]);

  it('is mounted from files that there are, where Grafana looks for it', () => {
    expect(mounts.map(([path]) => existsSync(`deploy/${path}`))).toEqual([true, true]);
    const { providers } = provisioned('dashboards/migration-preflight') as {
      providers: [{ options: { path: string } }];
    };
    expect(mounts.map(([, path]) => path)).toEqual([
      '/etc/grafana/provisioning',
      `${providers[0].options.path}/migration-preflight.json`,
    ]);
    expect(mounts.map(([, , mode]) => mode)).toEqual(['ro', 'ro']);
  });

  it('asks the Prometheus of the composition, and knows how often that scrapes', () => {
    const { datasources } = provisioned('datasources/prometheus') as {
      datasources: [{ url: string; jsonData: { timeInterval: string } }];
    };
    const { global } = parse(readFileSync('deploy/prometheus/prometheus.yml', 'utf8')) as {
      global: { scrape_interval: string };
    };
    const [{ url, jsonData }] = datasources;
    expect(Object.keys(services)).toContain(new URL(url).hostname);
    expect(jsonData.timeInterval).toBe(global.scrape_interval);
  });
});
