import { randomBytes } from 'node:crypto';
import type { Pointer } from '../descriptor/pointer.ts';
import { type Destination, LogFile, type LogObserver } from './log-file.ts';
import type { LoggedDecision } from './logged-decision.ts';
import { Mask } from './mask.ts';

/** Who asked for a decision, and in which request. */
export interface Asked {
  readonly requestId: string;
  readonly traceId: string;
  readonly client: string | null;
  /** Whether it was asked for without the site's policy. */
  readonly policy?: 'none' | undefined;
}

/** What an operator wants remembered, and where. */
export interface DecisionLogSettings {
  readonly to: Destination;
  /** The share of all decisions, from 0 to 1. */
  readonly share: number;
  /** Pointers to what is masked; see {@link Mask}. */
  readonly mask: readonly Pointer[];
  /** What pseudonyms are made with; `null`: something that nobody knows, until the process stops. */
  readonly maskKey: string | null;
}

/** Remembers decisions, a line of JSON each. */
export class DecisionLog {
  readonly #file: LogFile;
  readonly #share: number;
  readonly #mask: Mask | null;

  private constructor(file: LogFile, { share, mask, maskKey }: DecisionLogSettings) {
    this.#file = file;
    this.#share = share;
    this.#mask = mask.length === 0 ? null : new Mask(mask, maskKey ?? randomBytes(32));
  }

  /** @throws Error if there is nothing to write to. */
  static async open(settings: DecisionLogSettings, observer: LogObserver): Promise<DecisionLog> {
    return new DecisionLog(await LogFile.open(settings.to, observer), settings);
  }

  /** Whether the decision is in the sample: decided by its address, so that every replica chooses the same VMs, always. */
  wants(decisionId: string): boolean {
    return Number.parseInt(decisionId.slice(0, 8), 16) < this.#share * 2 ** 32;
  }

  /** Remembers the decision, of which `record` is what {@link recordOf} says. */
  write({ requestId, traceId, client, policy }: Asked, decisionId: string, record: string): void {
    const time = new Date().toISOString();
    const head = { decisionId, requestId, traceId, time, ...(client !== null && { client }), policy };
    const line = `${JSON.stringify(head).slice(0, -1)},${record}`;
    const masked = this.#mask === null ? line : JSON.stringify(this.#mask.applied(JSON.parse(line) as LoggedDecision));
    this.#file.write(`${masked}\n`);
  }

  /** Opens the file anew, for it may have been moved away. */
  reopen(): void {
    this.#file.reopen();
  }

  /** Writes what waits, for as long as that may take. */
  close(): Promise<void> {
    return this.#file.close();
  }
}
