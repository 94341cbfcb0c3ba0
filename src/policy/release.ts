import type { Version } from '../platform/version.ts';

const WRITTEN = /^\d{1,4}(?:\.\d{1,4}(?:\.\d{1,6})?)?$/;

/** A version in an expression: of QEMU or Linux, or as the policy file writes it. */
export class Release {
  readonly #numbers: readonly number[];

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  static of({ major, minor, micro }: Version): Release {
    return new Release([major, minor, micro]);
  }

  /** What `text` says in one to three numbers; `null` where it is something else. */
  static parse(text: string): Release | null {
    return WRITTEN.test(text) ? new Release(text.split('.').map(Number)) : null;
  }

  /**
   * Below, above or at 0 as this one comes before, after or with `other`, of which only so many numbers count as both
   * have: 11.1.3 is neither before nor after 11.1, so that "up to 11.1" takes all of that series.
   */
  compare(other: Release): number {
    const length = Math.min(this.#numbers.length, other.#numbers.length);
    for (let place = 0; place < length; place++) {
      const difference = (this.#numbers[place] ?? 0) - (other.#numbers[place] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /** Versions next to this one, between which and it an expression may tell: one before, itself, one after. */
  get around(): string[] {
    const last = this.#numbers.length - 1;
    const steps = [-1, 0, 1].map((step) =>
      this.#numbers.map((number, place) => (place === last ? number + step : number)),
    );
    return steps
      .filter((numbers) => (numbers[last] ?? 0) >= 0)
      .map((numbers) => [...numbers, 0].slice(0, Math.max(2, numbers.length)).join('.'));
  }

  toString(): string {
    return this.#numbers.join('.');
  }
}
