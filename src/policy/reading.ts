import type { Fact, Known, Truth } from '../descriptor/fact.ts';
import type { Pointer } from '../descriptor/pointer.ts';

/** Thrown where an expression reads what is not known; what that lacks is in the {@link Reader}. One for all: it is thrown often. */
const UNKNOWN = new Error('not known');

/** Notes what an expression reads while it is evaluated. */
export class Reader {
  #known: Known<unknown>[] = [];
  #lacks: Pointer[] = [];

  /**
   * The value of `fact`.
   * @throws {@link UNKNOWN} if there is none.
   */
  take<T>(fact: Fact<T>): T {
    if (fact.known) {
      this.#known.push(fact);
      return fact.value;
    }
    this.#lacks.push(...fact.lacks);
    throw UNKNOWN;
  }

  /**
   * The truth that `evaluate` comes to, resting on what it reads.
   * @throws whatever it throws, unless it reads what is not known.
   */
  truthOf(evaluate: () => boolean): Truth {
    this.#known = [];
    if (this.#lacks.length > 0) this.#lacks = [];
    try {
      const value = evaluate();
      return { known: true, value, from: this.#known };
    } catch (error) {
      // What comes to nothing may yet be spared that by what is not known.
      if (this.#lacks.length === 0) throw error;
      return { known: false, lacks: [...new Set(this.#lacks)] };
    }
  }
}
