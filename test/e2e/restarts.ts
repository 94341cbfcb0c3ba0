import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { question } from './faults.ts';
import { start } from './service.ts';

interface Restarted {
  /** Requests that were answered in full. */
  readonly answered: number;
  /** What came back of those that were not. */
  readonly lost: readonly string[];
  /** With what each process ended. */
  readonly exits: readonly (number | null)[];
}

/** Restarts the service `times` times under the load of `clients`, each with one request under way on a connection that it keeps. */
export async function restarts(times: number, clients: number): Promise<Restarted> {
  let service = start({ PORT: '0' });
  const port = Number(new URL(await service.address).port);
  const lost: string[] = [];
  const exits: (number | null)[] = [];
  const state = { answered: 0, isOver: false };
  const client = async (): Promise<void> => {
    let exchange: Exchange | null = null;
    while (!state.isOver) {
      exchange ??= new Exchange(port);
      const received = await exchange.ask();
      if (isWhole(received)) state.answered++;
      // A proxy that asks again may do so only where the service cannot have begun to answer.
      else if (received !== '') lost.push(received);
      if (received === '' || /\r\nconnection: close\r\n/i.test(received)) {
        exchange.close();
        exchange = null;
        await sleep(10);
      }
    }
    exchange?.close();
  };
  const load = Promise.all(Array.from({ length: clients }, client));
  const beBusy = async (): Promise<void> => {
    const enough = state.answered + 2 * clients;
    while (state.answered < enough) await sleep(5);
  };
  for (let time = 0; time < times; time++) {
    await beBusy();
    service.stop();
    exits.push(await service.exit);
    service = start({ PORT: String(port) });
    await service.address;
  }
  await beBusy();
  state.isOver = true;
  await load;
  service.stop();
  exits.push(await service.exit);
  return { answered: state.answered, lost, exits };
}

/** A connection, and what comes back over it. */
class Exchange {
  readonly #socket;
  #received = '';
  #done: (() => void) | null = null;

  constructor(port: number) {
    this.#socket = connect(port, '127.0.0.1');
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (part: string) => {
      this.#received += part;
      if (isWhole(this.#received)) this.#done?.();
    });
    this.#socket.on('error', () => undefined);
    this.#socket.on('close', () => this.#done?.());
  }

  /** The answer, or what came of it before the connection ended. */
  async ask(): Promise<string> {
    this.#received = '';
    if (this.#socket.closed) return '';
    await new Promise<void>((resolve) => {
      this.#done = resolve;
      this.#socket.write(request);
    });
    this.#done = null;
    return this.#received;
  }

  close(): void {
    this.#socket.destroy();
  }
}

const request =
  'POST /v1/evaluations HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n' +
  `content-length: ${Buffer.byteLength(question)}\r\n\r\n${question}`;

/** Whether `received` is a whole answer, and a good one. */
function isWhole(received: string): boolean {
  const end = received.indexOf('\r\n\r\n');
  const [, length] = /\r\ncontent-length: (\d+)\r\n/i.exec(received.slice(0, end + 2)) ?? [];
  return received.startsWith('HTTP/1.1 200 ') && length !== undefined && received.length === end + 4 + Number(length);
}
