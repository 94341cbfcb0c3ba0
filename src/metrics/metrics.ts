import { collectDefaultMetrics, Counter, Gauge, Histogram, type OpenMetricsContentType, Registry } from 'prom-client';
import type { DecidedContainer, DecidedFinding, Decision } from '../evaluation/decision.ts';
import { verdicts } from '../evaluation/verdict.ts';
import { classicText } from './classic-text.ts';

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const TIB = 2 ** 40;

/** What one type1 dirty bitmap may take stands as an exact bound, so that the share above it can be counted. */
const BITMAP_BUCKETS = [
  4096,
  65_536,
  MIB,
  16 * MIB,
  64 * MIB,
  128 * MIB,
  256 * MIB,
  512 * MIB,
  GIB,
  4 * GIB,
  16 * GIB,
  TIB,
];

/** Above 1 type1 refuses. */
const RATIO_BUCKETS = [2 ** -16, 2 ** -12, 2 ** -8, 1 / 64, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1, 2, 4, 16, 64, 4096];

/** Gauges of prom-client that are named like counters; the same without `_total` say it by type. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** What the metrics must be told of the service. */
export interface Measured {
  readonly ruleset: string;
  /** Of this package. */
  readonly version: string;
  /** Ids of the rules, each of which is counted from 0 on: what comes into being as 1 shows no increase. */
  readonly rules: readonly string[];
  /** What {@link factAt} may answer; counted from 0 on, too. */
  readonly facts: readonly string[];
  /** What the member of a descriptor at `pointer` is called, whatever the VM and its devices are. */
  readonly factAt: (pointer: string) => string;
}

/** The service's metrics: prefix `preflight_`, base units, closed label sets. Never a VM's name, id or address. */
export class Metrics {
  readonly registry = openMetricsRegistry();
  readonly #factAt: Measured['factAt'];

  readonly #decisions = new Counter<'verdict' | 'decisionId'>({
    name: 'preflight_decisions_total',
    help: 'Decisions by verdict.',
    labelNames: ['verdict'],
    registers: [this.registry],
    enableExemplars: true,
  });
  readonly #findings = new Counter<'rule' | 'outcome' | 'decisionId'>({
    name: 'preflight_findings_total',
    help: 'Findings by rule and outcome.',
    labelNames: ['rule', 'outcome'],
    registers: [this.registry],
    enableExemplars: true,
  });
  readonly #refusals = new Counter({
    name: 'preflight_refusals_total',
    help: 'Decisions of verdict blocked by rule that refuses; one that several refuse counts for each, several devices once.',
    labelNames: ['rule'],
    registers: [this.registry],
  });
  readonly #missingFacts = new Counter({
    name: 'preflight_missing_facts_total',
    help: 'Decisions of verdict unknown by fact that they lack; one that lacks several counts for each.',
    labelNames: ['fact'],
    registers: [this.registry],
  });
  readonly #agreement = new Counter({
    name: 'preflight_agreement_total',
    help: 'Decisions on VMs whose QEMU said itself what blocks migration, by whether it says what was predicted.',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly #bitmaps = new Histogram<'backend' | 'transition' | 'decisionId'>({
    name: 'preflight_predicted_dirty_bitmap_bytes',
    help: 'Largest dirty bitmap that a guest transition would need, the worst transition of each container.',
    labelNames: ['backend', 'transition'],
    buckets: BITMAP_BUCKETS,
    registers: [this.registry],
    enableExemplars: true,
  });
  readonly #unmapCalls = new Histogram({
    name: 'preflight_predicted_unmap_calls',
    help: 'DMA unmaps that a guest transition would cause, the worst transition of each container.',
    labelNames: ['backend', 'transition'],
    buckets: [0, 1, 8, 19, 28, 64, 512, 4096, 65_536, 2 ** 20],
    registers: [this.registry],
  });
  readonly #limitRatio = new Histogram({
    name: 'preflight_predicted_bitmap_limit_ratio',
    help: 'Largest dirty bitmap of a transition or a sync over the largest that type1 takes, of each container that type1 tracks.',
    buckets: RATIO_BUCKETS,
    registers: [this.registry],
    enableExemplars: true,
  });
  readonly #evaluation = new Histogram({
    name: 'preflight_evaluation_duration_seconds',
    help: 'Time to reach a decision.',
    buckets: [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1],
    registers: [this.registry],
    enableExemplars: true,
  });
  readonly #batch = new Histogram({
    name: 'preflight_batch_size',
    help: 'VMs that were asked for in one batch.',
    buckets: [1, 10, 100, 1000, 10_000, 100_000, 1_000_000],
    registers: [this.registry],
  });
  readonly #failedItems = new Counter({
    name: 'preflight_batch_failed_items_total',
    help: 'Items of batches that the service failed to judge by a fault of its own.',
    registers: [this.registry],
  });
  readonly #http = new Histogram({
    name: 'preflight_http_request_duration_seconds',
    help: 'Time to answer a request.',
    labelNames: ['method', 'route', 'status_class'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10],
    registers: [this.registry],
  });
  readonly #inFlight = new Gauge({
    name: 'preflight_http_requests_in_flight',
    help: 'Requests that have begun and not ended, that for the metrics included.',
    registers: [this.registry],
  });

  constructor({ ruleset, version, rules, facts, factAt }: Measured) {
    this.#factAt = factAt;
    collectDefaultMetrics<OpenMetricsContentType>({ register: this.registry });
    for (const name of MISNAMED) this.registry.removeSingleMetric(name);
    const info = { labelNames: ['ruleset'], registers: [this.registry] };
    new Gauge({ ...info, name: 'preflight_ruleset_info', help: 'The ruleset in force.' }).set({ ruleset }, 1);
    const build = { labelNames: ['version'], registers: [this.registry] };
    new Gauge({ ...build, name: 'preflight_build_info', help: 'The version of the service.' }).set({ version }, 1);
    for (const verdict of [...verdicts, 'unknown']) this.#decisions.inc({ labels: { verdict }, value: 0 });
    for (const rule of rules) {
      for (const outcome of ['fires', 'contradicted']) this.#findings.inc({ labels: { rule, outcome }, value: 0 });
      this.#refusals.inc({ rule }, 0);
    }
    for (const fact of facts) this.#missingFacts.inc({ fact }, 0);
    for (const outcome of ['agrees', 'contradicted']) this.#agreement.inc({ outcome }, 0);
  }

  /** Counts the `seconds` that it took to reach a decision. */
  observeEvaluation(decisionId: string, seconds: number): void {
    this.#evaluation.observe({ value: seconds, exemplarLabels: { decisionId } });
  }

  /** Counts a decision that was reached before and is given `times` times; of one of these `decisionId` is the address. */
  observeFigures(
    { verdict, findings, refusedBy, missing, containers }: DecisionFigures,
    decisionId: string,
    times = 1,
  ): void {
    const exemplarLabels = { decisionId };
    this.#decisions.inc({ labels: { verdict }, value: times, exemplarLabels });
    for (const { rule, outcome } of findings) {
      this.#findings.inc({ labels: { rule: ruleLabel(rule), outcome }, value: times, exemplarLabels });
    }
    for (const rule of new Set([...refusedBy].map(ruleLabel))) this.#refusals.inc({ rule }, times);
    for (const fact of new Set(missing.map(this.#factAt))) this.#missingFacts.inc({ fact }, times);
    for (const { worst, limitRatio } of containers) {
      for (let time = 0; time < times; time++) {
        if (worst) {
          this.#bitmaps.observe({ labels: worst.labels, value: worst.bitmapBytes, exemplarLabels });
          this.#unmapCalls.observe(worst.labels, worst.unmapCalls);
        }
        if (limitRatio !== null) this.#limitRatio.observe({ value: limitRatio, exemplarLabels });
      }
    }
  }

  /** Counts a decision on a VM whose QEMU reported its own reasons. */
  observeAgreement({ findings }: Pick<DecisionFigures, 'findings'>, times = 1): void {
    const outcome = findings.some((finding) => finding.outcome === 'contradicted') ? 'contradicted' : 'agrees';
    this.#agreement.inc({ outcome }, times);
  }

  /** Counts a batch that asked for `size` VMs. */
  observeBatch(size: number): void {
    this.#batch.observe(size);
  }

  /** Counts an item of a batch that the service failed to judge. */
  observeFailedItem(): void {
    this.#failedItems.inc();
  }

  /** A request has begun; {@link endRequest} is to follow, whether or not it is answered. */
  beginRequest(): void {
    this.#inFlight.inc();
  }

  endRequest(): void {
    this.#inFlight.dec();
  }

  /** Counts an answer that took `seconds`. `route` is the route's pattern, never the path that was asked for. */
  observeRequest(method: string, route: string, status: number, seconds: number): void {
    this.#http.observe({ method, route, status_class: `${Math.floor(status / 100)}xx` }, seconds);
  }

  /** All metrics as OpenMetrics, which carries exemplars, and its type. */
  async openMetrics(): Promise<Exposition> {
    return { type: Registry.OPENMETRICS_CONTENT_TYPE, text: await this.registry.metrics() };
  }

  /** All metrics as the text format that came before OpenMetrics, and its type. */
  async classic(): Promise<Exposition> {
    return { type: Registry.PROMETHEUS_CONTENT_TYPE, text: classicText(await this.registry.metrics()) };
  }
}

/** What of a decision is counted, small enough to be kept. */
export interface DecisionFigures {
  readonly verdict: Decision['verdict'];
  readonly findings: readonly Pick<DecidedFinding, 'rule' | 'outcome'>[];
  /** The rules that refuse a VM whose verdict is blocked, each once. */
  readonly refusedBy: ReadonlySet<string>;
  /** Pointers to the facts for want of which the verdict is unknown. */
  readonly missing: readonly string[];
  readonly containers: readonly ContainerFigures[];
}

interface ContainerFigures {
  /** The transition with the largest bitmap. */
  readonly worst: {
    readonly labels: { readonly backend: string; readonly transition: string };
    readonly bitmapBytes: number;
    readonly unmapCalls: number;
  } | null;
  /** The largest bitmap that type1 would be asked for over the largest that it takes; `null` where it is asked for none. */
  readonly limitRatio: number | null;
}

/** What of `decision` is counted. Clear rules are listed for those who ask, and would count the asking. */
export const figuresOf = ({ verdict, findings, unknowns, containers, limits }: Decision): DecisionFigures => ({
  verdict,
  findings: findings.flatMap(({ rule, outcome }) => (outcome === 'clear' ? [] : [{ rule, outcome }])),
  refusedBy: new Set(verdict === 'blocked' ? findings.filter(refuses).map(({ rule }) => rule) : []),
  missing: verdict === 'unknown' ? unknowns.map(({ pointer }) => pointer) : [],
  containers: containers.map((container) => containerFigures(container, limits.dirtyBitmapBytes)),
});

/** What the rules of a site's policy file are counted as: together, however often they are renamed. */
export const SITE_RULES = 'site';

const ruleLabel = (rule: string): string => (rule.startsWith('site-') ? SITE_RULES : rule);

/**
 * Whether it keeps the VM from migrating by itself: not if QEMU stops before it comes to this, nor if a guest must act, nor
 * if the site accepts it.
 */
const refuses = ({ outcome, effect, trigger, shadowedBy, accepted }: DecidedFinding): boolean =>
  outcome === 'fires' &&
  shadowedBy === undefined &&
  accepted === undefined &&
  (effect === 'start-failure' ||
    effect === 'blocker' ||
    effect === 'site-refusal' ||
    (effect === 'migration-failure' && trigger === undefined));

function containerFigures(container: DecidedContainer, limit: number): ContainerFigures {
  const { backend, tracker, trackingStart, transitions, sync } = container;
  let worst = transitions[0];
  for (const each of transitions) if (worst && each.largestBitmapBytes > worst.largestBitmapBytes) worst = each;
  const bitmapBytes = worst?.largestBitmapBytes ?? 0;
  // A share of nothing is no number.
  const isHeld =
    limit > 0 && tracker === 'type1' && trackingStart?.ok !== false && (worst !== undefined || sync !== undefined);
  return {
    worst: worst
      ? { labels: { backend, transition: `${worst.from}-to-${worst.to}` }, bitmapBytes, unmapCalls: worst.unmapCalls }
      : null,
    limitRatio: isHeld ? Math.max(bitmapBytes, sync?.largestBitmapBytes ?? 0) / limit : null,
  };
}

function openMetricsRegistry(): Registry<OpenMetricsContentType> {
  const registry = new Registry<OpenMetricsContentType>();
  registry.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
  return registry;
}

interface Exposition {
  readonly type: string;
  readonly text: string;
}
