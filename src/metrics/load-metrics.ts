import { Counter, type Registry, type RegistryContentType } from 'prom-client';

/** Why there is too much: requests wait too long, large ones hold too much memory, or there are too many connections. */
const reasons = ['delay', 'memory', 'connections'] as const;
export type Shed = (typeof reasons)[number];

/** What there is to see of load that is too much. */
export class LoadMetrics {
  readonly #shed: Counter;

  constructor(registry: Registry<RegistryContentType>) {
    this.#shed = new Counter({
      name: 'preflight_shed_requests_total',
      help: 'Requests, and connections, that were refused since there was too much to answer.',
      labelNames: ['reason'],
      registers: [registry],
    });
    for (const reason of reasons) this.#shed.inc({ reason }, 0);
  }

  shed(reason: Shed): void {
    this.#shed.inc({ reason });
  }
}
