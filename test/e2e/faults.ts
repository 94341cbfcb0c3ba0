import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { examples } from '../../src/http/examples.ts';

/** What clients do that is wrong, or goes wrong, over real connections. */

export const question = JSON.stringify(examples['domain-switch']?.request);

/** A whole request that is good. */
const request = (headers = ''): string =>
  `POST /v1/evaluations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n${headers}` +
  `content-length: ${Buffer.byteLength(question)}\r\n\r\n${question}`;

/** What ends a connection once it is answered. */
const LAST = 'GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n';

/** A random number from 0 up to but not including `below`. */
export type Random = (below: number) => number;

/** A linear congruential generator: the same numbers for the same seed. */
export function random(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/** A connection, and what came back over it. */
interface Wire {
  readonly socket: Socket;
  readonly received: () => string;
  /** Once the service has closed it, or this side has. */
  readonly closed: Promise<void>;
}

async function open(port: number, allowHalfOpen = false): Promise<Wire> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen });
  const parts: Buffer[] = [];
  socket.on('data', (part) => parts.push(part));
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await once(socket, 'connect');
  return { socket, received: () => Buffer.concat(parts).toString('latin1'), closed };
}

/** Status lines in what came back: one an answer. */
const statuses = (received: string): number[] =>
  [...received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

/** Sends `bytes`, and gives the statuses of what comes back until the service closes the connection. */
export async function exchange(port: number, bytes: string): Promise<number[]> {
  const wire = await open(port);
  wire.socket.write(bytes, 'latin1');
  await wire.closed;
  return statuses(wire.received());
}

const chunked = '5\r\nhello\r\n0\r\n\r\n';
const post = (headers: string, body: string): string =>
  `POST /v1/evaluations HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n\r\n${body}`;

/**
 * Requests whose end a proxy and a server may see in different places, with a second request hidden in what is left, and the
 * statuses that they are answered with: only of a request that can be read in one way is there a second.
 */
export const smuggled: Readonly<Record<string, readonly [bytes: string, answers: readonly number[]]>> = {
  'a length and chunks': [post('content-length: 4\r\ntransfer-encoding: chunked', `${chunked}${LAST}`), [400]],
  'chunks and a length': [post('transfer-encoding: chunked\r\ncontent-length: 4', `${chunked}${LAST}`), [400]],
  'two lengths': [post('content-length: 4\r\ncontent-length: 5', `abcd${LAST}`), [400]],
  'the same length twice': [post('content-length: 4\r\ncontent-length: 4', `abcd${LAST}`), [400]],
  'two lengths in one header': [post('content-length: 4, 4', `abcd${LAST}`), [400]],
  'a length with a sign': [post('content-length: +4', `abcd${LAST}`), [400]],
  'a length in hex': [post('content-length: 0x4', `abcd${LAST}`), [400]],
  'a length of 2^64': [post('content-length: 18446744073709551616', `abcd${LAST}`), [400]],
  'a blank before the colon': [post('content-length : 4', `abcd${LAST}`), [400]],
  'chunks that are not the last coding': [post('transfer-encoding: chunked, identity', `${chunked}${LAST}`), [400]],
  'a coding that is almost chunked': [post('transfer-encoding: xchunked', `${chunked}${LAST}`), [400]],
  'chunked in two headers': [
    post('transfer-encoding: chunked\r\ntransfer-encoding: identity', `${chunked}${LAST}`),
    [400],
  ],
  'a header that is folded': [post('x: a\r\n content-length: 4', `abcd${LAST}`), [400]],
  'a header folded into the coding': [post('transfer-encoding:\r\n chunked', `${chunked}${LAST}`), [400]],
  'lines that end in LF': [`POST /v1/evaluations HTTP/1.1\nhost: localhost\ncontent-length: 4\n\nabcd${LAST}`, [400]],
  'one header that ends in LF': [post('x: a\ncontent-length: 4', `abcd${LAST}`), [400]],
  'a header that ends in CR': [post('x: a\rcontent-length: 4', `abcd${LAST}`), [400]],
  'a NUL in a header': [post('x: a\0b\r\ncontent-length: 4', `abcd${LAST}`), [400]],
  'no host': ['POST /v1/evaluations HTTP/1.1\r\ncontent-length: 4\r\n\r\nabcd', [400]],
  'a chunk longer than it says': [post('transfer-encoding: chunked', `3\r\nhello\r\n0\r\n\r\n${LAST}`), [400]],
  'a chunk of 2^64 bytes': [post('transfer-encoding: chunked', `10000000000000000\r\nhello\r\n${LAST}`), [400]],
  'a chunk with a sign': [post('transfer-encoding: chunked', `-5\r\nhello\r\n0\r\n\r\n${LAST}`), [400]],
  'a chunk that ends in LF': [post('transfer-encoding: chunked', `5\nhello\r\n0\r\n\r\n${LAST}`), [400]],
  'a chunk with a long extension': [
    post('transfer-encoding: chunked', `5;${'x'.repeat(100_000)}\r\nhello\r\n0\r\n\r\n${LAST}`),
    [400],
  ],
  'a chunk with a short extension, which is allowed': [
    post('transfer-encoding: chunked', `5;x=y\r\nhello\r\n0\r\n\r\n${LAST}`),
    [415, 200],
  ],
  'a method that upgrades': [`CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n${LAST}`, []],
  'headers of 20 000 bytes': [`GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`, [431]],
  'HTTP/2 without asking': ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', [400]],
};

const close = request('connection: close\r\n');

const BATCH =
  'POST /v1/evaluations/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\n' +
  'transfer-encoding: chunked\r\n\r\n';
const line = `${question}\n`;
const lines = `${(line.length * 50).toString(16)}\r\n${line.repeat(50)}\r\n`;

const inPieces = async ({ socket }: Wire, bytes: string, pieces: Random): Promise<void> => {
  for (let at = 0; at < bytes.length && socket.writable; ) {
    const size = 1 + pieces(400);
    socket.write(bytes.slice(at, at + size));
    at += size;
    await sleep(1);
  }
};

/** @throws Error unless what came back has the statuses that one of `expected` lists. */
const answered = (wire: Wire, ...expected: readonly (readonly number[])[]): void => {
  const got = statuses(wire.received()).join();
  if (!expected.some((each) => each.join() === got)) throw new Error(`answered ${got}, not ${expected.join(' or ')}`);
};

/** Ends a connection from this side. */
const leave = async ({ socket, closed }: Wire): Promise<void> => {
  socket.destroy();
  await closed;
};

/** What may go wrong, each over a connection of its own. Each fails where the service does not answer as it should. */
export const faults: Readonly<Record<string, (port: number, random: Random) => Promise<void>>> = {
  'a request that is cut short': async (port, numbers) => {
    const wire = await open(port);
    wire.socket.write(request().slice(0, 1 + numbers(request().length - 1)));
    await sleep(numbers(3));
    await leave(wire);
  },
  'an answer that nobody waits for': async (port, numbers) => {
    const wire = await open(port);
    wire.socket.write(request());
    await sleep(numbers(3));
    await leave(wire);
  },
  'a request in small pieces': async (port, numbers) => {
    const wire = await open(port);
    await inPieces(wire, close, numbers);
    await wire.closed;
    // A machine that is busy may take too long over it.
    answered(wire, [200], [408]);
  },
  'a client that ends its side with its request': async (port) => {
    const wire = await open(port, true);
    wire.socket.end(request());
    await once(wire.socket, 'end');
    wire.socket.destroy();
    // Node takes it for gone, so that it is answered only if nothing was before it.
    answered(wire, [200], [], [408]);
  },
  'many requests before the first answer': async (port) => {
    const wire = await open(port);
    wire.socket.write(request().repeat(19) + close);
    await wire.closed;
    answered(
      wire,
      Array.from({ length: 20 }, () => 200),
    );
  },
  'a batch that is cut short': async (port) => {
    const wire = await open(port);
    wire.socket.write(BATCH + lines);
    await once(wire.socket, 'data');
    await leave(wire);
  },
  'a batch whose answers nobody reads': async (port, numbers) => {
    const wire = await open(port);
    wire.socket.pause();
    wire.socket.write(BATCH + lines.repeat(1 + numbers(5)));
    await sleep(numbers(20));
    await leave(wire);
  },
  'headers that are too large': async (port) => {
    const wire = await open(port);
    wire.socket.write(`GET / HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`);
    await wire.closed;
    answered(wire, [431]);
  },
  'bytes that are no HTTP': async (port, numbers) => {
    const wire = await open(port);
    wire.socket.write(Buffer.from([numbers(32), ...Array.from({ length: 100 }, () => numbers(256))]));
    wire.socket.end();
    await wire.closed;
  },
  'a request with another hidden in it': async (port, numbers) => {
    const all = Object.values(smuggled);
    const [bytes, expected] = all[numbers(all.length)] ?? ['', []];
    const got = await exchange(port, bytes);
    if (got.join() !== expected.join()) throw new Error(`answered ${got.join()}: ${bytes.slice(0, 200)}`);
  },
  'headers that do not end': async (port) => {
    const wire = await open(port);
    wire.socket.write('POST /v1/evaluations HTTP/1.1\r\nhost: localhost\r\nx: ');
    await wire.closed;
    answered(wire, [408]);
  },
  'a body that does not end': async (port) => {
    const wire = await open(port);
    wire.socket.write(request().slice(0, -10));
    await wire.closed;
    // Of so many at a time some are too many of one client.
    answered(wire, [408], [429]);
  },
  'a body that does not end, of what was answered already': async (port) => {
    const wire = await open(port);
    wire.socket.write('POST /v1 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{');
    await wire.closed;
    // Where so many wait, its head may be late.
    answered(wire, [404], [408]);
  },
  'a connection that says nothing': async (port) => {
    const wire = await open(port);
    await wire.closed;
  },
};

/** Does each of `count` times, at most `atOnce` of them at a time. */
export async function repeat(count: number, atOnce: number, each: () => Promise<void>): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await each();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** What the service says of itself in its metrics, by name and labels. */
export async function figures(address: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${address}/metrics`, { headers: { connection: 'close' } })).text();
  return new Map(
    text.split('\n').flatMap((each) => {
      const [, name, value] = /^([^# ]\S*|[^# ][^}]*\}) (\S+)$/.exec(each) ?? [];
      return name === undefined ? [] : [[name, Number(value)] as const];
    }),
  );
}
