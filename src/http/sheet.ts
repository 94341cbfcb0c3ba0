/** Text that is written piece by piece, and taken as bytes. */
export class Sheet {
  #bytes: Buffer;
  #length = 0;

  /** Has room for `room` bytes between two takes, and makes more as it is needed: of many batches at once most are short. */
  constructor(room = 1 << 13) {
    this.#bytes = Buffer.allocUnsafe(room);
  }

  get length(): number {
    return this.#length;
  }

  write(text: string): void {
    // UTF-8 takes at most three bytes for a UTF-16 unit.
    this.#makeRoom(text.length * 3);
    this.#length += this.#bytes.write(text, this.#length);
  }

  copy(bytes: Buffer): void {
    this.#makeRoom(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What was written since it was last taken. */
  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#length));
    this.#length = 0;
    return taken;
  }

  toString(): string {
    return this.#bytes.toString('utf8', 0, this.#length);
  }

  #makeRoom(length: number): void {
    const needed = this.#length + length;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
  }
}
