/**
 * `openMetrics`, as prom-client 15 writes it, in Prometheus' own text format (0.0.4): a counter is called what its samples
 * are called, and there are neither exemplars nor an end. prom-client cannot write both from one registry: writing
 * OpenMetrics takes `_total` from the names of its counters for good.
 */
export const classicText = (openMetrics: string): string =>
  openMetrics
    .replaceAll(/^# HELP (\S+) (.*)\n# TYPE \1 counter$/gm, '# HELP $1_total $2\n# TYPE $1_total counter')
    .replaceAll(/^([^#].*?) # \{.*$/gm, '$1')
    .replace(/# EOF\n$/, '');
