import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Decision } from '../evaluation/decision.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** What one type1 dirty bitmap may take stands as an exact bound, so that the share above it can be counted. */
const BITMAP_BUCKETS = [4096, 65_536, MIB, 16 * MIB, 64 * MIB, 128 * MIB, 256 * MIB, 512 * MIB, GIB, 4 * GIB, 16 * GIB];

/** The service's metrics: prefix `preflight_`, base units, closed label sets. Never a VM's name, id or address. */
export class Metrics {
  readonly registry = new Registry();

  readonly #decisions = new Counter({
    name: 'preflight_decisions_total',
    help: 'Decisions by verdict.',
    labelNames: ['verdict'],
    registers: [this.registry],
  });
  readonly #findings = new Counter({
    name: 'preflight_findings_total',
    help: 'Findings by rule and outcome.',
    labelNames: ['rule', 'outcome'],
    registers: [this.registry],
  });
  readonly #bitmaps = new Histogram({
    name: 'preflight_predicted_dirty_bitmap_bytes',
    help: 'Largest dirty bitmap that a guest transition would need, the worst transition of each container.',
    labelNames: ['backend', 'transition'],
    buckets: BITMAP_BUCKETS,
    registers: [this.registry],
  });
  readonly #unmapCalls = new Histogram({
    name: 'preflight_predicted_unmap_calls',
    help: 'DMA unmaps that a guest transition would cause, the worst transition of each container.',
    labelNames: ['backend', 'transition'],
    buckets: [0, 1, 8, 19, 28, 64, 512, 4096, 65_536, 2 ** 20],
    registers: [this.registry],
  });
  readonly #evaluation = new Histogram({
    name: 'preflight_evaluation_duration_seconds',
    help: 'Time to reach a decision.',
    buckets: [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1],
    registers: [this.registry],
  });
  readonly #http = new Histogram({
    name: 'preflight_http_request_duration_seconds',
    help: 'Time to answer a request.',
    labelNames: ['method', 'route', 'status_class'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10],
    registers: [this.registry],
  });

  constructor(ruleset: string) {
    collectDefaultMetrics({ register: this.registry });
    const info = { name: 'preflight_ruleset_info', help: 'The ruleset in force.', labelNames: ['ruleset'] };
    new Gauge({ ...info, registers: [this.registry] }).set({ ruleset }, 1);
  }

  /** Counts a decision that took `seconds`. */
  observeDecision({ verdict, findings, containers }: Decision, seconds: number): void {
    this.#decisions.inc({ verdict });
    this.#evaluation.observe(seconds);
    // Clear rules are listed for those who ask, and would count the asking.
    for (const { rule, outcome } of findings) if (outcome !== 'clear') this.#findings.inc({ rule, outcome });
    for (const { backend, transitions } of containers) {
      const [first, ...others] = transitions;
      if (!first) continue;
      const worst = others.reduce((a, b) => (b.largestBitmapBytes > a.largestBitmapBytes ? b : a), first);
      const labels = { backend, transition: `${worst.from}-to-${worst.to}` };
      this.#bitmaps.observe(labels, worst.largestBitmapBytes);
      this.#unmapCalls.observe(labels, worst.unmapCalls);
    }
  }

  /** Counts an answer that took `seconds`. `route` is the route's pattern, never the path that was asked for. */
  observeRequest(method: string, route: string, status: number, seconds: number): void {
    this.#http.observe({ method, route, status_class: `${Math.floor(status / 100)}xx` }, seconds);
  }
}
