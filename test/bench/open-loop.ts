import { connect, type Socket } from 'node:net';

const HEAD_END = Buffer.from('\r\n\r\n');

/** The bytes of the request that is sent as the one of this number, from 0 on. */
export type Requests = (index: number) => Buffer;

/** The bytes of a request, as they go over a connection that stays open. */
export const post = (path: string, body: string): Buffer =>
  Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );

/** `requests` over and over. */
export const inTurn =
  (requests: readonly Buffer[]): Requests =>
  (index) =>
    requests[index % requests.length] as Buffer;

/** What became of a request: the status of its answer or 0 if there was none, and milliseconds from when it was due. */
export interface Outcome {
  readonly status: number;
  readonly milliseconds: number;
  /** When it was due, in milliseconds from when the load began. */
  readonly due: number;
}

/** A connection that costs the client little, with one request under way at a time. */
class Wire {
  readonly #socket: Socket;
  #waiting: ((status: number) => void) | null = null;
  #status = 0;
  /** Bytes that are still to come of the answer; null: its head is not complete. */
  #missing: number | null = null;
  #begun: Buffer = Buffer.alloc(0);
  isOpen = true;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1').setNoDelay();
    this.#socket.on('data', (part) => this.#read(part));
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => {
      this.isOpen = false;
      this.#answer(0);
    });
  }

  /** The status of the answer to `request`; 0 if the connection ends before. */
  ask(request: Buffer): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(part: Buffer): void {
    let bytes = part;
    if (this.#missing === null) {
      bytes = this.#begun.length === 0 ? part : Buffer.concat([this.#begun, part]);
      const end = bytes.indexOf(HEAD_END);
      if (end < 0) {
        this.#begun = bytes;
        return;
      }
      const head = bytes.toString('latin1', 0, end);
      this.#status = Number(head.slice(9, 12));
      this.#missing = end + HEAD_END.length + Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1]);
      this.#begun = Buffer.alloc(0);
    }
    this.#missing -= bytes.length;
    if (this.#missing > 0) return;
    this.#missing = null;
    this.#answer(this.#status);
  }

  #answer(status: number): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.(status);
  }
}

/** Connections of a load at most: what is due while all are busy waits, and that counts. */
const CONNECTIONS = 1000;

/** Clients of one server, each on a connection of its own that stays open. */
export class Load {
  readonly #port: number;
  readonly #requests: Requests;
  readonly #idle: Wire[] = [];
  readonly #all = new Set<Wire>();
  /** Requests that wait for a connection. */
  readonly #waiting: ((wire: Wire) => void)[] = [];
  #next = 0;

  /** `requests` are sent to `port`, as they are. */
  constructor(port: number, requests: Requests) {
    this.#port = port;
    this.#requests = requests;
  }

  close(): void {
    for (const wire of this.#all) wire.close();
  }

  /** As many requests as are answered by `end`, with always `clients` under way. */
  async saturate(clients: number, end: number): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    const start = performance.now();
    const client = async (): Promise<void> => {
      while (performance.now() < end) {
        const due = performance.now();
        outcomes.push({ status: await this.#ask(), milliseconds: performance.now() - due, due: due - start });
      }
    };
    await Promise.all(Array.from({ length: clients }, client));
    return outcomes;
  }

  /** Requests that come `rate` times a second for `seconds`, whether those before are answered or not. */
  async offer(rate: number, seconds: number): Promise<Outcome[]> {
    const start = performance.now();
    const total = Math.round(rate * seconds);
    const asked: Promise<Outcome>[] = [];
    while (asked.length < total) {
      const due = Math.min(total, ((performance.now() - start) / 1000) * rate);
      while (asked.length < due) asked.push(this.#askAt(start, (asked.length / rate) * 1000));
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return Promise.all(asked);
  }

  async #askAt(start: number, due: number): Promise<Outcome> {
    const status = await this.#ask();
    return { status, milliseconds: performance.now() - start - due, due };
  }

  /** Sends the next request on a connection that is free, on a new one, or once one is free. */
  async #ask(): Promise<number> {
    const wire = this.#free() ?? (await new Promise<Wire>((resolve) => this.#waiting.push(resolve)));
    const status = await wire.ask(this.#requests(this.#next++));
    const next = this.#waiting.shift();
    if (!wire.isOpen) this.#all.delete(wire);
    if (next) next(wire.isOpen ? wire : this.#open());
    else if (wire.isOpen) this.#idle.push(wire);
    return status;
  }

  #free(): Wire | null {
    let wire = this.#idle.pop();
    while (wire?.isOpen === false) {
      this.#all.delete(wire);
      wire = this.#idle.pop();
    }
    return wire ?? (this.#all.size < CONNECTIONS ? this.#open() : null);
  }

  #open(): Wire {
    const wire = new Wire(this.#port);
    this.#all.add(wire);
    return wire;
  }
}
