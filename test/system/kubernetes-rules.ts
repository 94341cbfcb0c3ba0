import { readFileSync } from 'node:fs';

export const PROMETHEUS_RULE = 'deploy/kubernetes/production/prometheus-rule.yaml';

const HEAD = `# Written by npm run kubernetes from deploy/prometheus/rules.yml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: migration-preflight
spec:
`;

/** Prometheus' rules as its operator takes them: the same text, indented. */
export const prometheusRule = (): string =>
  HEAD + readFileSync('deploy/prometheus/rules.yml', 'utf8').replace(/^(?=.)/gm, '  ');
