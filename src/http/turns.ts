import { setImmediate } from 'node:timers/promises';

/** Milliseconds after which other requests get their turn. */
const SLICE_MS = 10;

/** The slices of long work, between which others get their turn. */
export class Turns {
  #until = performance.now() + SLICE_MS;

  get isOver(): boolean {
    return performance.now() >= this.#until;
  }

  /** Lets others in. */
  async next(): Promise<void> {
    await setImmediate();
    this.#until = performance.now() + SLICE_MS;
  }
}
