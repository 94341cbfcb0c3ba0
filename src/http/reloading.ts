import { readFile } from 'node:fs/promises';

/** How often files are looked at. */
const LOOK_MS = 1000;

/** Files that are replaced while the service runs, as one value. */
export interface Source<T> {
  /** What the files are to an operator: a metric label, and the subject of what the log says. */
  readonly name: string;
  readonly paths: readonly string[];
  /**
   * What the files hold, in the order of their paths.
   * @throws Error saying what is wrong; never with a secret in its words.
   */
  readonly parse: (texts: readonly string[]) => T;
}

/** Who is told how reading went. */
export interface LoadObserver {
  readonly loaded: (name: string) => void;
  /** The last good value stays in force. */
  readonly failed: (name: string, error: Error) => void;
}

/**
 * The last good value of files. All of them are read and judged before anything changes, so a half-written file, or a key
 * that does not fit its certificate yet, changes nothing. Files are read again and compared rather than watched: that also
 * sees a file replaced behind a symbolic link, as Kubernetes does it.
 */
export class Reloading<T> {
  readonly #source: Source<T>;
  readonly #observer: LoadObserver;
  #current: T;
  /** What was last judged, good or bad. */
  #judged: string;
  /** What was last seen. */
  #seen: string;
  #reading: Promise<void> = Promise.resolve();
  #apply: (value: T) => void = () => undefined;

  private constructor(source: Source<T>, observer: LoadObserver, read: Read, value: T) {
    this.#source = source;
    this.#observer = observer;
    this.#current = value;
    this.#judged = read.identity;
    this.#seen = read.identity;
  }

  /**
   * Reads the files for the first time.
   * @throws Error if they are not good: there is no last good value yet.
   */
  static async open<T>(source: Source<T>, observer: LoadObserver): Promise<Reloading<T>> {
    const read = await readAll(source.paths);
    const value = judge(source, read);
    observer.loaded(source.name);
    return new Reloading(source, observer, read, value);
  }

  /** Resolves once every look that has begun has ended. */
  get settled(): Promise<void> {
    return this.#reading;
  }

  get current(): T {
    return this.#current;
  }

  /** Has `apply` called with each good value to come. What it throws makes the value a bad one. */
  onLoad(apply: (value: T) => void): void {
    this.#apply = apply;
  }

  /** Reads the files again, at once, whether or not they changed. Never rejects. */
  reload(): Promise<void> {
    return this.#next(async () => this.#take(await readAll(this.#source.paths)));
  }

  /**
   * Looks at the files again and again, without keeping the process alive, until the function that is returned is called.
   * A change counts once it was seen twice: whoever writes the files in place is given the time to finish.
   */
  watch(): () => void {
    const timer = setInterval(() => void this.#next(() => this.#look()), LOOK_MS).unref();
    return () => clearInterval(timer);
  }

  async #look(): Promise<void> {
    const read = await readAll(this.#source.paths);
    const isSettled = read.identity === this.#seen;
    this.#seen = read.identity;
    if (isSettled && read.identity !== this.#judged) this.#take(read);
  }

  #take(read: Read): void {
    this.#judged = read.identity;
    try {
      const value = judge(this.#source, read);
      this.#apply(value);
      this.#current = value;
      this.#observer.loaded(this.#source.name);
    } catch (error) {
      this.#observer.failed(this.#source.name, error as Error);
    }
  }

  /** One reading after the other: an older one never wins over a newer one. */
  #next(step: () => Promise<void>): Promise<void> {
    const done = this.#reading.then(step);
    this.#reading = done;
    return done;
  }
}

interface Read {
  /** The same for the same content, or the same failure. */
  readonly identity: string;
  readonly texts: readonly string[] | Error;
}

async function readAll(paths: readonly string[]): Promise<Read> {
  try {
    const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
    return { identity: JSON.stringify(texts), texts };
  } catch (error) {
    return { identity: (error as Error).message, texts: error as Error };
  }
}

function judge<T>({ name, parse }: Source<T>, { texts }: Read): T {
  if (texts instanceof Error) throw new Error(`${name}: ${texts.message}`);
  try {
    return parse(texts);
  } catch (error) {
    throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
  }
}
