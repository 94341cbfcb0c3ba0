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
      yield this.#take(chunk, start, end);
      start = end + 1;
    }
    this.#begin(chunk.subarray(start));
  }

  /** The last line, if the stream ended without ending it. */
  *rest(): Generator<Line> {
    if (this.#length > 0) yield this.#take(Buffer.alloc(0), 0, 0);
  }

  #begin(part: Buffer): void {
    this.#length += part.length;
    // A line that is too long is read to its end all the same, and forgotten.
    if (this.#length > this.#max) this.#begun = [];
    else if (part.length > 0) this.#begun.push(part);
  }

  /** The line that has begun before, and ends with what `chunk` holds from `start` to `end`. */
  #take(chunk: Buffer, start: number, end: number): Line {
    this.#number++;
    const isTooLong = this.#length + end - start > this.#max;
    const isWhole = this.#length === 0;
    const bytes = isWhole || isTooLong ? chunk : Buffer.concat([...this.#begun, chunk.subarray(start, end)]);
    this.#begun = [];
    this.#length = 0;
    if (isTooLong) return { number: this.#number, text: null };
    return { number: this.#number, text: isWhole ? bytes.toString('utf8', start, end) : bytes.toString() };
  }
}

/** The lines in `chunks` that are not blank, of at most `limit` bytes, as they arrive. */
export async function* linesIn(chunks: AsyncIterable<Buffer>, limit: number): AsyncGenerator<Iterable<Line>> {
  const lines = new Lines(limit);
  for await (const chunk of chunks) yield notBlank(lines.in(chunk));
  yield notBlank(lines.rest());
}

function* notBlank(lines: Iterable<Line>): Generator<Line> {
  for (const line of lines) if (line.text === null || line.text.trim() !== '') yield line;
}
