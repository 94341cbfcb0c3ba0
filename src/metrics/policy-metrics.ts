import { Counter, Gauge, type Registry, type RegistryContentType } from 'prom-client';

/** What there is to see of the site's policy. */
export class PolicyMetrics {
  readonly #reloads: Counter;
  readonly #info: Gauge;

  constructor(registry: Registry<RegistryContentType>) {
    const registers = [registry];
    this.#reloads = new Counter({
      name: 'preflight_policy_reloads_total',
      help: 'How often the policy file was read anew, by whether it was good; if not, the last that was is in force.',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of ['loaded', 'failed']) this.#reloads.inc({ outcome }, 0);
    this.#info = new Gauge({
      name: 'preflight_policy_info',
      help: 'The revision of the site policy in force; none without a policy file.',
      labelNames: ['revision'],
      registers,
    });
  }

  reloaded(outcome: 'loaded' | 'failed'): void {
    this.#reloads.inc({ outcome });
  }

  /** Says what is in force now, and no more what was. */
  inForce(revision: string): void {
    this.#info.reset();
    this.#info.set({ revision }, 1);
  }
}
