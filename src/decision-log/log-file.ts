import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const [open, close, read, fstat, stat, rename, unlink, writev] = [
  promisify(fs.open),
  promisify(fs.close),
  promisify(fs.read),
  promisify(fs.fstat),
  promisify(fs.stat),
  promisify(fs.rename),
  promisify(fs.unlink),
  promisify(fs.writev),
];

/** Where lines go: standard output, or a file of `maxBytes` and its predecessors `path.1` and so on, `files` in all. */
export type Destination = 'stdout' | { readonly path: string; readonly maxBytes: number; readonly files: number };

/** Who is told of what becomes of lines. */
export interface LogObserver {
  readonly written: (lines: number, bytes: number) => void;
  readonly dropped: (lines: number) => void;
  /** Lines begin to be dropped; `reason` is why, where there is more to say than that writing takes too long. */
  readonly overflows: (reason: string | undefined) => void;
  /** All that waited is written, after lines were dropped. */
  readonly recovered: (dropped: number) => void;
}

/** Bytes of lines that may wait. */
const QUEUE_MAX = 8 << 20;

/** Lines that are written at once; Linux takes 1024 pieces. */
const LINES_MAX = 512;

/** Milliseconds until what is full, or has failed, is tried again. */
const FULL_MS = 20;
const FAILED_MS = 500;

/** Milliseconds that what waits is given when the log is closed. */
const LINGER_MS = 1000;

const { O_WRONLY, O_APPEND, O_CREAT, O_NONBLOCK } = fs.constants;

const NEWLINE = Buffer.from('\n');

/**
 * Lines on their way to a file. Whoever writes one never waits, nor does the thread: lines wait in memory, up to
 * {@link QUEUE_MAX}, beyond which they are dropped. A file is never larger than it may be, and no line is in two.
 */
export class LogFile {
  readonly #to: Destination;
  readonly #observer: LogObserver;
  /** What waits, and of the first line how much is written already. */
  readonly #queue: Buffer[] = [];
  #begun = 0;
  #queued = 0;
  #fd: number | null = null;
  #size = 0;
  /** Whether it is one that is rotated: not so a pipe. */
  #isRotated = false;
  #mustReopen = false;
  #isClosed = false;
  #dropped = 0;
  #failure: string | undefined;
  #isWriting = false;
  #writing: Promise<void> = Promise.resolve();

  private constructor(to: Destination, observer: LogObserver) {
    this.#to = to;
    this.#observer = observer;
  }

  /**
   * Opens the file to add to it. A pipe that nobody reads yet will do.
   * @throws Error if it cannot be opened.
   */
  static async open(to: Destination, observer: LogObserver): Promise<LogFile> {
    const file = new LogFile(to, observer);
    try {
      await file.#open();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENXIO') throw error;
    }
    return file;
  }

  /** Takes `line`, which ends as one, or drops it. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    const fits = this.#to === 'stdout' || bytes.length <= this.#to.maxBytes;
    if (this.#isClosed || !fits || this.#queued + bytes.length > QUEUE_MAX) {
      if (this.#dropped++ === 0)
        this.#observer.overflows(fits ? this.#failure : 'a line is larger than the file may be');
      this.#observer.dropped(1);
      return;
    }
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    this.#start();
  }

  /** Opens the file anew, for it may have been moved away. */
  reopen(): void {
    this.#mustReopen = true;
    this.#start();
  }

  /** Writes what waits, for as long as that may take; the rest is dropped. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.race([this.#writing, sleep(LINGER_MS)]);
    const left = this.#queue.splice(0).length;
    if (left > 0) this.#observer.dropped(left);
    if (!this.#isWriting) await this.#close();
  }

  #start(): void {
    if (this.#isWriting) return;
    this.#isWriting = true;
    this.#writing = this.#run();
  }

  async #run(): Promise<void> {
    do {
      try {
        await this.#step();
        this.#failure = undefined;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code === 'EAGAIN') {
          await sleep(FULL_MS);
          continue;
        }
        this.#failure = message;
        await this.#close();
        await sleep(FAILED_MS);
      }
    } while (this.#queue.length > 0);
    this.#isWriting = false;
    if (this.#dropped === 0) return;
    this.#observer.recovered(this.#dropped);
    this.#dropped = 0;
  }

  /** Writes some of what waits, or makes room for it. */
  async #step(): Promise<void> {
    if (this.#mustReopen) await this.#close();
    this.#mustReopen = false;
    if (this.#fd === null) await this.#open();
    const sent = this.#next();
    if (sent.length > 0) this.#sent(sent, (await writev(this.#fd ?? -1, sent)).bytesWritten);
    else if (this.#queue.length > 0) await this.#rotate();
  }

  /** The lines that are next, as far as the file has room for them. */
  #next(): Buffer[] {
    const lines: Buffer[] = [];
    let room = this.#isRotated && this.#to !== 'stdout' ? this.#to.maxBytes - this.#size : Number.POSITIVE_INFINITY;
    for (const line of this.#queue.slice(0, LINES_MAX)) {
      const rest = lines.length === 0 ? line.subarray(this.#begun) : line;
      room -= rest.length;
      if (room < 0) break;
      lines.push(rest);
    }
    return lines;
  }

  /** Forgets what is written of `sent`: the first `bytes` of it. */
  #sent(sent: readonly Buffer[], bytes: number): void {
    this.#size += bytes;
    let left = bytes;
    let lines = 0;
    for (const { length } of sent) {
      if (length > left) break;
      left -= length;
      lines++;
    }
    this.#begun = lines === 0 ? this.#begun + left : left;
    for (const { length } of this.#queue.splice(0, lines)) this.#queued -= length;
    this.#observer.written(lines, bytes);
  }

  async #open(): Promise<void> {
    // A line that was cut off is written again, whole.
    this.#begun = 0;
    this.#isRotated = false;
    if (this.#to === 'stdout') {
      this.#fd = await openStdout();
      return;
    }
    const { path } = this.#to;
    // A pipe is not waited for: a thread that waits keeps the process from stopping.
    this.#fd = await open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK, 0o640);
    const stats = await fstat(this.#fd);
    this.#isRotated = stats.isFile();
    this.#size = stats.size;
    if (stats.isFile() && stats.size > 0 && !(await endsLine(path, stats.size))) {
      this.#size += (await writev(this.#fd, [NEWLINE])).bytesWritten;
    }
  }

  /** Moves the file, and those before it, out of the way: up to the first name that is free, or else over the oldest. */
  async #rotate(): Promise<void> {
    if (this.#to === 'stdout') return;
    const { path, files } = this.#to;
    await this.#close();
    if (files === 1) return unlink(path);
    const nameOf = (age: number): string => (age === 0 ? path : `${path}.${age}`);
    let free = 1;
    while (free < files - 1 && (await exists(nameOf(free)))) free++;
    for (let age = free; age > 0; age--) await rename(nameOf(age - 1), nameOf(age));
  }

  async #close(): Promise<void> {
    const fd = this.#fd;
    this.#fd = null;
    if (fd !== null && fd !== 1) await close(fd).catch(() => undefined);
  }
}

/** Standard output; if it is a pipe, one of our own that is not waited for, where we may open that. */
async function openStdout(): Promise<number> {
  if (!(await fstat(1)).isFIFO()) return 1;
  return open('/dev/stdout', O_WRONLY | O_NONBLOCK).catch(() => 1);
}

/** Whether the file at `path`, of `size` bytes, ends with a whole line: a process that was killed may have left a part. */
async function endsLine(path: string, size: number): Promise<boolean> {
  const fd = await open(path, 'r');
  try {
    const { buffer } = await read(fd, Buffer.alloc(1), 0, 1, size - 1);
    return buffer.equals(NEWLINE);
  } finally {
    await close(fd);
  }
}

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
