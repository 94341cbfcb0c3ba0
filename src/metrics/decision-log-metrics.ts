import { Counter, type Registry, type RegistryContentType } from 'prom-client';

/** What there is to see of the decision log. */
export class DecisionLogMetrics {
  readonly #lines: Counter;
  readonly #bytes: Counter;
  readonly #dropped: Counter;

  constructor(registry: Registry<RegistryContentType>) {
    const registers = [registry];
    this.#lines = new Counter({
      name: 'preflight_decision_log_written_total',
      help: 'Decisions that were written to the decision log.',
      registers,
    });
    this.#bytes = new Counter({
      name: 'preflight_decision_log_written_bytes_total',
      help: 'Bytes that were written to the decision log.',
      registers,
    });
    this.#dropped = new Counter({
      name: 'preflight_decision_log_dropped_total',
      help: 'Decisions that were to be written to the decision log and are not: it could not be written to as fast.',
      registers,
    });
  }

  written(lines: number, bytes: number): void {
    this.#lines.inc(lines);
    this.#bytes.inc(bytes);
  }

  dropped(lines: number): void {
    this.#dropped.inc(lines);
  }
}
