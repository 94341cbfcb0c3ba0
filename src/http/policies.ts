import type { PolicyMetrics } from '../metrics/policy-metrics.ts';
import type { Policy, PolicyInForce } from '../policy/policy.ts';
import type { DefaultsContent, PolicyContent } from '../policy/schema.ts';
import { parsePolicy } from './policy-file.ts';
import { type LoadObserver, Reloading } from './reloading.ts';

/** What a site says of one request, all of which is answered by it. */
export interface Site {
  /** Null: nothing. */
  readonly policy: PolicyInForce | null;
  readonly defaults: DefaultsContent;
}

/** A site that says nothing. */
export const SILENT: Site = { policy: null, defaults: {} };

/** What a request may say of the policy. */
export interface PolicyQuery {
  readonly policy?: 'none';
}

/** The query parameter of {@link PolicyQuery}. */
export const policyParameter = {
  policy: {
    type: 'string',
    enum: ['none'],
    description: 'Answers without what the site’s policy says, its facts included. Default: with it.',
  },
};

/** What is in force, and how the last reading of the file went. */
export interface PolicyStatus {
  readonly revision: string | null;
  /** When what is in force was read; null without a file. */
  readonly loadedAt: Date | null;
  /** What is wrong with the file as it is now, if it is another than what is in force. */
  readonly failure: { readonly at: Date; readonly detail: string } | null;
}

const EMPTY: PolicyContent = { version: 1 };

/** The site's policy as its file says it; the last good one, where that is not good. */
export class Policies {
  readonly #metrics: PolicyMetrics;
  readonly #now: () => number;
  #file: Reloading<Policy> | null = null;
  #site = SILENT;
  /** The policy that {@link #site} is of. */
  #of: Policy | null = null;
  #loadedAt: Date | null = null;
  #failure: PolicyStatus['failure'] = null;
  #unwatch: () => void = () => undefined;

  private constructor(metrics: PolicyMetrics, now: () => number) {
    this.#metrics = metrics;
    this.#now = now;
  }

  /**
   * Reads the file at `path`, if there is one, for the first time.
   * @throws Error naming every line of it that is wrong.
   */
  static async open(
    path: string | null,
    observer: LoadObserver,
    metrics: PolicyMetrics,
    now: () => number = Date.now,
  ): Promise<Policies> {
    const policies = new Policies(metrics, now);
    if (path !== null) await policies.#open(path, observer);
    return policies;
  }

  async #open(path: string, observer: LoadObserver): Promise<void> {
    const source = { name: 'policy', paths: [path], parse: ([text = '']: readonly string[]) => parsePolicy(text) };
    this.#file = await Reloading.open(source, {
      loaded: (name) => {
        this.#loadedAt = new Date(this.#now());
        this.#failure = null;
        this.#metrics.reloaded('loaded');
        observer.loaded(name);
      },
      failed: (name, error) => {
        this.#failure = { at: new Date(this.#now()), detail: error.message };
        this.#metrics.reloaded('failed');
        observer.failed(name, error);
      },
    });
    this.#renew();
  }

  /** What the site says of a request that comes now. Whoever answers it asks once. */
  for(query: PolicyQuery): Site {
    return query.policy === 'none' ? SILENT : this.#renew();
  }

  /** The content of the policy in force. */
  get content(): PolicyContent {
    return this.#file?.current.content ?? EMPTY;
  }

  get status(): PolicyStatus {
    return {
      revision: this.#renew().policy?.revision ?? null,
      loadedAt: this.#loadedAt,
      failure: this.#failure,
    };
  }

  async reload(): Promise<void> {
    await this.#file?.reload();
    this.#renew();
  }

  watch(): void {
    this.#unwatch = this.#file?.watch() ?? this.#unwatch;
  }

  unwatch(): void {
    this.#unwatch();
  }

  /** What is in force now: another than before where the file is, or where an acceptance has ended. */
  #renew(): Site {
    const policy = this.#file?.current ?? null;
    if (policy === null) return SILENT;
    const now = this.#now();
    if (policy === this.#of && now < (this.#site.policy?.changesAt ?? 0)) return this.#site;
    this.#of = policy;
    const inForce = policy.at(now);
    this.#site = { policy: inForce, defaults: policy.content.defaults ?? {} };
    this.#metrics.inForce(inForce.revision);
    return this.#site;
  }
}
