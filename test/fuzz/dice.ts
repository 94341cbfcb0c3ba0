/** Chances that come out the same for the same seed, on any machine. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    // Neighbouring seeds shall have nothing in common.
    this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(seed >>> 16, 0xc2b2ae35);
    this.below(1);
  }

  /** A whole number from 0 to `count`, exclusive. */
  below(count: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * count);
  }

  /** True `times` in a hundred. */
  is(times: number): boolean {
    return this.below(100) < times;
  }

  /** One of `choices`, of which there must be some. */
  of<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** A place in `list`, or its end. */
  placeIn(list: { readonly length: number }): number {
    return this.below(list.length + 1);
  }

  /** Small numbers often, large ones seldom: 1, 2, 3 … up to `most`. */
  few(most: number): number {
    let count = 1;
    while (count < most && this.is(50)) count++;
    return count;
  }
}
