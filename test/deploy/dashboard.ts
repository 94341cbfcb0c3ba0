import { readFileSync } from 'node:fs';

interface Placed {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}

/** A panel of the Grafana dashboard, as far as tests look at it. */
interface Panel extends Placed {
  readonly datasource: unknown;
  readonly targets: readonly { readonly expr: string }[];
  readonly options: { readonly yAxis?: { readonly unit: string } };
  readonly fieldConfig: {
    readonly defaults: {
      readonly unit?: string;
      readonly thresholds?: { readonly steps: readonly { readonly value: number | null }[] };
    };
  };
}

const all = (JSON.parse(readFileSync('deploy/grafana/dashboard.json', 'utf8')) as { panels: (Placed | Panel)[] })
  .panels;

export const rows = all.filter(({ type }) => type === 'row');
export const panels = all.filter((panel) => 'targets' in panel);
