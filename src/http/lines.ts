/** A line of a stream. */
export interface Line {
  /** From 1 on; lines that are blank count. */
  readonly number: number;
  /** `null` of a line that is too long. */
  readonly text: string | null;
}

const NEWLINE = 0x0a;

/** Cuts a stream of bytes into lines of at most `max` bytes, and holds no more than one of them. */
export class Lines {
  readonly #max: number;
  #begun: Buffer[] = [];
  #length = 0;
  #number = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** The lines that end in `chunk`. */
  *in(chunk: Buffer): Generator<Line> {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, start);
      if (end === -1) break;
      yield this.#take(chunk.subarray(start, end));
      start = end + 1;
    }
    this.#begin(chunk.subarray(start));
  }

  /** The last line, if the stream ended without ending it. */
  *rest(): Generator<Line> {
    if (this.#length > 0) yield this.#take(Buffer.alloc(0));
  }

  #begin(part: Buffer): void {
    this.#length += part.length;
    // A line that is too long is read to its end all the same, and forgotten.
    if (this.#length > this.#max) this.#begun = [];
    else if (part.length > 0) this.#begun.push(part);
  }

  #take(end: Buffer): Line {
    const whole = this.#begun.length === 0 ? end : Buffer.concat([...this.#begun, end]);
    const isTooLong = this.#length + end.length > this.#max;
    this.#begun = [];
    this.#length = 0;
    this.#number++;
    return { number: this.#number, text: isTooLong ? null : whole.toString('utf8') };
  }
}
