/** Milliseconds after which long work lets others in. */
const SLICE_MS = 5;

/** How many times as long as a slice of long work took short requests come first, if they do not run out before. */
const SHORT = 4;

/**
 * How much of the time of the last piece of work may go to connections that are accepted, before the next. Node accepts one
 * each time that it reads: without this the others would wait in the kernel, unseen, while what was accepted is answered.
 */
const ACCEPTING = 1 / 2;

/** Milliseconds that the short requests which are begun at once may take together, and how many they may be at most. */
const TOGETHER_MS = 1;
const TOGETHER = 32;

interface Short {
  readonly since: number;
  readonly go: (waited: number) => boolean;
}

/**
 * Who may use the event loop next. Between any two pieces of work the loop reads what has arrived, so that who need not
 * wait, such as a probe of health, never does for long. Short requests wait in a queue that can be measured, and long work is
 * done in slices, of which a short request waits for one at most. Times are in milliseconds.
 */
export class Loop {
  readonly #now: () => number;
  readonly #later: (turn: () => void) => void;
  readonly #short: Short[] = [];
  readonly #long: (() => void)[] = [];
  #isArmed = false;
  /** When the last piece of work began, and how long it took; null while it is under way. */
  #began = 0;
  #took: number | null = 0;
  #hasAccepted = false;
  /** How many short requests it was of; 0 for a slice of long work. */
  #of = 1;
  /** Until when short requests come before long work. */
  #shortUntil = 0;
  /** When no short request waited. */
  #empty = 0;

  /** `later` is to call what it is given once the loop has read what there is. */
  constructor(now: () => number = () => performance.now(), later: (turn: () => void) => void = setImmediate) {
    this.#now = now;
    this.#later = later;
  }

  /** For how long there has always been a short request that waits; 0 if none does. */
  get queuedFor(): number {
    return this.#short.length === 0 ? 0 : this.#now() - this.#empty;
  }

  /** Calls `go` when it is the turn of a short request, at once if there is nothing else; it says whether it had work to do. */
  short(go: (waited: number) => boolean): void {
    const now = this.#now();
    if (this.#short.length === 0) this.#empty = now;
    if (this.#isArmed) {
      this.#short.push({ since: now, go });
      return;
    }
    this.#begin(now, 1);
    this.#arm();
    go(0);
  }

  /** Waits for a slice of long work. */
  slice(): Promise<void> {
    return new Promise((resolve) => {
      this.#long.push(resolve);
      this.#arm();
    });
  }

  /** A connection was accepted. */
  accepted(): void {
    this.#hasAccepted = true;
  }

  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    this.#later(() => this.#turn());
  }

  /** Begins a piece of work, which is done when this is called again. */
  #turn(): void {
    this.#isArmed = false;
    const now = this.#now();
    if (this.#took === null) {
      this.#took = now - this.#began;
      if (this.#of === 0) this.#shortUntil = now + this.#took * SHORT;
    }
    const isAccepting = this.#hasAccepted && now - this.#began < this.#took * (1 + ACCEPTING);
    this.#hasAccepted = false;
    const hasBegun = !isAccepting && (this.#isForLong(now) ? this.#beginLong(now) : this.#beginShort(now));
    if (hasBegun || this.#short.length > 0 || this.#long.length > 0) this.#arm();
  }

  #isForLong(now: number): boolean {
    return this.#long.length > 0 && (this.#short.length === 0 || now >= this.#shortUntil);
  }

  #beginLong(now: number): boolean {
    this.#begin(now, 0);
    this.#long.shift()?.();
    return true;
  }

  #beginShort(now: number): boolean {
    const most = this.#together;
    let begun = 0;
    while (this.#short.length > 0 && begun < most) {
      const next = this.#short.shift();
      if (next?.go(now - next.since)) begun++;
    }
    if (begun > 0) this.#begin(now, begun);
    return begun > 0;
  }

  /** How many short requests may be begun at once, if each takes as long as those before: a turn of the loop is not free. */
  get #together(): number {
    const most = (TOGETHER_MS * this.#of) / Math.max(this.#took ?? 0, TOGETHER_MS / TOGETHER);
    return Math.max(1, Math.min(Math.floor(most), TOGETHER));
  }

  #begin(now: number, of: number): void {
    this.#began = now;
    this.#of = of;
    this.#took = null;
  }
}

/** The loop that all of a process share. */
export const loop = new Loop();

/** The slices of one long piece of work. */
export class Turns {
  #until = 0;

  /** Whether {@link next} is to be waited for before any more is done. */
  get isOver(): boolean {
    return performance.now() >= this.#until;
  }

  /** Lets others in. */
  async next(): Promise<void> {
    await loop.slice();
    this.#until = performance.now() + SLICE_MS;
  }
}

/** Runs `steps` to their end, a slice at a time; null if there is nobody left who waits for it, as `isGone` says. */
export async function inTurns<T>(steps: Iterator<undefined, T>, isGone: () => boolean): Promise<T | null> {
  const turns = new Turns();
  for (;;) {
    await turns.next();
    if (isGone()) return null;
    do {
      const step = steps.next();
      if (step.done) return step.value;
    } while (!turns.isOver);
  }
}
