import { Counter, Gauge, type Registry, type RegistryContentType } from 'prom-client';

/** Why somebody is not answered. */
const refusals = ['no-credentials', 'invalid-credentials', 'scope', 'concurrency', 'tls'] as const;
export type Refusal = (typeof refusals)[number];

/** What there is to see of who asks, and of the files that say who may. */
export class AccessMetrics {
  readonly #refused: Counter;
  readonly #lastLoad: Gauge;
  readonly #lastSuccess: Gauge;
  readonly #notAfter: Gauge;

  constructor(registry: Registry<RegistryContentType>) {
    const registers = [registry];
    this.#refused = new Counter({
      name: 'preflight_refused_requests_total',
      help: 'Requests, and connections of TLS, that were refused for who asks.',
      labelNames: ['reason'],
      registers,
    });
    for (const reason of refusals) this.#refused.inc({ reason }, 0);
    this.#lastLoad = new Gauge({
      name: 'preflight_last_reload_successful',
      help: 'Whether what was last read of these files was good; if not, the last that was is in force.',
      labelNames: ['files'],
      registers,
    });
    this.#lastSuccess = new Gauge({
      name: 'preflight_last_reload_success_timestamp_seconds',
      help: 'When what is in force of these files was read.',
      labelNames: ['files'],
      registers,
    });
    this.#notAfter = new Gauge({
      name: 'preflight_tls_certificate_not_after_timestamp_seconds',
      help: 'When the certificate that the service shows ends; 0 without TLS.',
      registers,
    });
  }

  refused(reason: Refusal): void {
    this.#refused.inc({ reason });
  }

  loaded(files: string, now: Date): void {
    this.#lastLoad.set({ files }, 1);
    this.#lastSuccess.set({ files }, now.getTime() / 1000);
  }

  notLoaded(files: string): void {
    this.#lastLoad.set({ files }, 0);
  }

  certificateEnds(notAfter: Date): void {
    this.#notAfter.set(notAfter.getTime() / 1000);
  }
}
