import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { run, type Service, start } from '../e2e/service.ts';
import { compareMeasured, type Measured, type Timing } from './compare.ts';
import { Load, type Outcome, type Requests } from './open-loop.ts';

/** Clock ticks a second, in which Linux counts a process's time. */
const TICKS = 100;

/** Requests that are always under way where a server is kept busy. */
const CLIENTS = 8;

/** NODE_OPTIONS of the smallest that is deployed, and the heap that they allow. */
const [options = '', heap = ''] =
  /--max-old-space-size=(\d+).*/.exec(readFileSync('deploy/kubernetes/small/size.yaml', 'utf8')) ?? [];
export const SMALL = { options, heap: `a heap of ${heap} MiB as in the small overlay` };

/** A server in a process of its own, so that the CPU that it takes is none of its client's. */
export class Server {
  readonly service: Service;
  readonly address: string;
  readonly port: number;

  private constructor(service: Service, address: string) {
    this.service = service;
    this.address = address;
    this.port = Number(new URL(address).port);
    // It is not to outlive a bench that fails.
    process.once('exit', service.stop);
    void service.exit.then(() => process.off('exit', service.stop));
  }

  static async #ready(service: Service): Promise<Server> {
    const server = new Server(service, await service.address);
    await server.ask('/health/ready');
    return server;
  }

  /**
   * Starts `command`, which says nothing where it listens: on `port`, where `health` is answered with 200 once it does.
   * @throws Error with what it printed if it stops before.
   */
  static async startAt(port: number, health: string, command: string, args: readonly string[]): Promise<Server> {
    const service = run(command, args, {});
    const server = new Server(service, `http://127.0.0.1:${port}`);
    const isHealthy = (): Promise<boolean> =>
      server.ask(health).then(
        () => true,
        () => false,
      );
    while (!(await isHealthy())) await Promise.race([service.address, sleep(5)]);
    return server;
  }

  /** The service as it is built; what would be refused because too much is asked waits, for as long as it likes. */
  static service(env: Readonly<NodeJS.ProcessEnv> = {}): Promise<Server> {
    return Server.#ready(start({ PORT: '0', QUEUE_DELAY_MS: '60000', ...env }));
  }

  /** A Fastify that does nothing but answer with `answer`, which is JSON. */
  static bare(answer: string): Promise<Server> {
    const program = fileURLToPath(new URL('bare.js', import.meta.url));
    return Server.#ready(run(process.execPath, [program], { ANSWER: answer }));
  }

  /** Its exit code. */
  stop(): Promise<number | null> {
    this.service.stop();
    return this.service.exit;
  }

  /** CPU seconds so far, of all threads, by Linux. */
  cpuSeconds(): number {
    // Behind the name in parentheses come state and so on; the 12th and 13th are ticks of user and system.
    const [, fields = ''] = readFileSync(`/proc/${this.service.pid}/stat`, 'utf8').split(') ');
    const [user, system] = fields.split(' ').slice(11, 13).map(Number);
    return ((user ?? 0) + (system ?? 0)) / TICKS;
  }

  /** Bytes of memory that it holds now, or at most held. */
  residentBytes(when: 'now' | 'most'): number {
    const status = readFileSync(`/proc/${this.service.pid}/status`, 'utf8');
    const [, kilobytes] = (when === 'now' ? /^VmRSS:\s+(\d+) kB$/m : /^VmHWM:\s+(\d+) kB$/m).exec(status) ?? [];
    return Number(kilobytes) * 1024;
  }

  /** The body of its answer. */
  async ask(path: string, body?: string): Promise<string> {
    const headers = { 'content-type': 'application/json' };
    const asked = body === undefined ? {} : { method: 'POST', headers, body };
    const answer = await fetch(`${this.address}${path}`, asked);
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path} is answered ${answer.status}: ${text}`);
    return text;
  }
}

/** What a server does for a second or a few: how long each of its answers takes, seconds by the clock, and of CPU. */
interface Answered {
  readonly milliseconds: readonly number[];
  readonly seconds: number;
  readonly cpuSeconds: number;
}

/** A server, and clients of it on connections that stay open. */
export class Loaded {
  readonly #server: Server;
  readonly #load: Load;

  constructor(server: Server, requests: Requests) {
    this.#server = server;
    this.#load = new Load(server.port, requests);
  }

  /** Has the server answer many requests: V8 compiles what it saw often, and that is long in coming. */
  async warmUp(short: boolean): Promise<void> {
    for (let count = short ? 6000 : 20_000; count > 0; ) count -= (await this.keepBusy(0.5)).milliseconds.length;
  }

  /** Under a load that leaves it no rest. @throws Error unless all is answered with 200. */
  keepBusy(seconds: number): Promise<Answered> {
    return this.#answered(() => this.#load.saturate(CLIENTS, performance.now() + seconds * 1000));
  }

  /** As {@link Load.offer}. @throws Error unless all is answered with 200. */
  offer(rate: number, seconds: number): Promise<Answered> {
    return this.#answered(() => this.#load.offer(rate, seconds));
  }

  async #answered(load: () => Promise<Outcome[]>): Promise<Answered> {
    const [cpu, begun] = [this.#server.cpuSeconds(), performance.now()];
    const outcomes = await load();
    const taken = { cpuSeconds: this.#server.cpuSeconds() - cpu, seconds: (performance.now() - begun) / 1000 };
    const wrong = outcomes.find(({ status }) => status !== 200);
    if (wrong) throw new Error(`answered ${wrong.status}`);
    return { milliseconds: outcomes.map(({ milliseconds }) => milliseconds), ...taken };
  }

  /** Milliseconds of CPU a request, of many. */
  async cpuMilliseconds(short: boolean): Promise<number> {
    const { milliseconds, cpuSeconds } = await this.keepBusy(short ? 0.7 : 2);
    return (cpuSeconds * 1000) / milliseconds.length;
  }

  close(): void {
    this.#load.close();
  }
}

/** Warms up the servers of `loads` before `ways` take turns, and closes the connections then. */
export async function compareLoaded(
  loads: readonly Loaded[],
  ways: readonly Measured[],
  short: boolean,
): Promise<Timing[]> {
  for (const load of loads) await load.warmUp(short);
  const timings = await compareMeasured(ways, { rounds: short ? 3 : 9, warmUp: 1 });
  for (const load of loads) load.close();
  return timings;
}

/** Milliseconds of CPU a request of each of `loads`, by name. */
export const compareCpu = (loads: Readonly<Record<string, Loaded>>, short: boolean): Promise<Timing[]> =>
  compareLoaded(
    Object.values(loads),
    Object.entries(loads).map(([name, load]) => ({ name, measure: () => load.cpuMilliseconds(short) })),
    short,
  );

/** A port on loopback that is free now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
