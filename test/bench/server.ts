import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Load, type Requests } from './open-loop.ts';

/** Clock ticks a second, in which Linux counts a process's time. */
const TICKS = 100;

/** Requests that are always under way where a server is kept busy. */
const CLIENTS = 8;

/** Finds the port in the line in which a server says where it listens. */
const LISTENS = /listening at http:\/\/127[^:]*:(\d+)/;

/** A server in a process of its own, so that the CPU that it takes is none of its client's. */
export class Server {
  readonly #process: ChildProcess;
  readonly port: number;

  private constructor(child: ChildProcess, port: number) {
    this.#process = child;
    this.port = port;
    // It is not to outlive a bench that fails.
    const kill = (): void => void child.kill();
    process.once('exit', kill);
    child.once('close', () => process.off('exit', kill));
  }

  /**
   * Starts `command` with `env` for its whole environment, until it prints where it listens and then says it is ready.
   * @throws Error with what it printed if it stops before.
   */
  static async #start(
    command: string,
    args: readonly string[],
    env: Readonly<Record<string, string>>,
  ): Promise<Server> {
    const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said: string[] = [];
    const port = await new Promise<number>((resolve, reject) => {
      for (const input of [child.stdout, child.stderr]) {
        createInterface({ input }).on('line', (line) => {
          const [, found] = LISTENS.exec(line) ?? [];
          if (found === undefined) said.push(line);
          else resolve(Number(found));
        });
      }
      child.once('error', reject);
      child.once('close', () => reject(new Error(`${command} does not listen:\n${said.join('\n')}`)));
    });
    const server = new Server(child, port);
    await server.#healthy('/health/ready', () => '');
    return server;
  }

  /**
   * Starts `command`, which says nothing where it listens: on `port`, where `health` is answered with 200 once it does.
   * @throws Error if it stops before.
   */
  static async startAt(port: number, health: string, command: string, args: readonly string[]): Promise<Server> {
    const child = spawn(command, args, { env: {}, stdio: 'ignore' });
    const server = new Server(child, port);
    let failure = '';
    child.once('error', ({ message }) => (failure = message));
    child.once('close', (code) => (failure ||= `it stopped with ${code}`));
    await server.#healthy(health, () => failure);
    return server;
  }

  /** @throws Error with what `failure` says, if it says anything before `path` is answered with 200. */
  async #healthy(path: string, failure: () => string): Promise<void> {
    for (;;) {
      const isHealthy = await this.ask(path).then(
        () => true,
        () => false,
      );
      if (isHealthy) return;
      if (failure() !== '') throw new Error(failure());
      await sleep(5);
    }
  }

  /** The service as it is built; what would be refused because too much is asked waits, for as long as it likes. */
  static service(env: Readonly<Record<string, string>> = {}): Promise<Server> {
    return Server.#start(process.execPath, ['dist/main.js'], { PORT: '0', QUEUE_DELAY_MS: '60000', ...env });
  }

  /** A Fastify that does nothing but answer with `answer`, which is JSON. */
  static bare(answer: string, env: Readonly<Record<string, string>> = {}): Promise<Server> {
    const program = fileURLToPath(new URL('bare.js', import.meta.url));
    return Server.#start(process.execPath, [program], { ANSWER: answer, ...env });
  }

  async stop(): Promise<void> {
    this.#process.kill();
    await once(this.#process, 'close');
  }

  /** CPU seconds so far, of all threads, by Linux. */
  cpuSeconds(): number {
    // Behind the name in parentheses come state and so on; the 12th and 13th are ticks of user and system.
    const [, fields = ''] = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8').split(') ');
    const [user, system] = fields.split(' ').slice(11, 13).map(Number);
    return ((user ?? 0) + (system ?? 0)) / TICKS;
  }

  /** Bytes of memory that it holds now, or at most held. */
  residentBytes(when: 'now' | 'most'): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    const [, kilobytes] = (when === 'now' ? /^VmRSS:\s+(\d+) kB$/m : /^VmHWM:\s+(\d+) kB$/m).exec(status) ?? [];
    return Number(kilobytes) * 1024;
  }

  /** The body of its answer. */
  async ask(path: string, body?: string): Promise<string> {
    const headers = { 'content-type': 'application/json' };
    const options = body === undefined ? {} : { method: 'POST', headers, body };
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, options);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path} is answered ${answer.status}: ${text}`);
    return text;
  }
}

/** The bytes of a request, as they go over a connection that stays open. */
export const post = (path: string, body: string): Buffer =>
  Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );

/** What a server does for a second or a few that it is kept busy: answers, seconds, and of CPU. */
export interface Busy {
  readonly answers: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** A server under a load that leaves it no rest. */
export class Saturated {
  readonly #server: Server;
  readonly #load: Load;

  constructor(server: Server, requests: Requests) {
    this.#server = server;
    this.#load = new Load(server.port, requests);
  }

  /** Has the server answer `count` requests: V8 compiles what it saw often, and that is long in coming. */
  async warmUp(count: number): Promise<void> {
    for (let answered = 0; answered < count; ) answered += (await this.keepBusy(0.5)).answers;
  }

  /** @throws Error unless all is answered with 200. */
  async keepBusy(seconds: number): Promise<Busy> {
    const [cpu, start] = [this.#server.cpuSeconds(), performance.now()];
    const outcomes = await this.#load.saturate(CLIENTS, start + seconds * 1000);
    const taken = { cpuSeconds: this.#server.cpuSeconds() - cpu, seconds: (performance.now() - start) / 1000 };
    const wrong = outcomes.find(({ status }) => status !== 200);
    if (wrong) throw new Error(`answered ${wrong.status}`);
    return { answers: outcomes.length, ...taken };
  }

  /** Milliseconds of CPU a request, of `seconds` of them. */
  async cpuMilliseconds(seconds: number): Promise<number> {
    const { answers, cpuSeconds } = await this.keepBusy(seconds);
    return (cpuSeconds * 1000) / answers;
  }

  close(): void {
    this.#load.close();
  }
}

/** A port on loopback that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
