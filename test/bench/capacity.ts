import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fleet } from './fleet.ts';

/** `npm run bench:capacity`: what one process carries, and how long it takes to start, beside a bare Fastify that does nothing. */

/** A server that reads JSON and answers with as much as the service does. */
const BARE = `
import fastify from 'fastify';
const app = fastify({ logger: true });
const answer = JSON.parse(process.env.ANSWER);
app.get('/health/ready', () => ({ status: 'ready' }));
app.post('/v1/evaluations', (_request, reply) => reply.type('application/json').send(JSON.stringify(answer)));
await app.listen({ port: 0 });`;

const bodies = Array.from(fleet(512), (each) => JSON.stringify(each));
/** Clock ticks a second, in which Linux counts a process's time. */
const TICKS = 100;
const SECONDS = 4;
/** As the small overlay has it. */
const HEAP = '--max-old-space-size=224 --max-semi-space-size=8';

/** A server under load. */
class Server {
  readonly #process: ChildProcess;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #address: URL;
  /** From its start until it answers. */
  readonly startMilliseconds: number;
  /** Until it says that it is ready. */
  readonly readyMilliseconds: number;

  private constructor(process_: ChildProcess, address: URL, startMilliseconds: number, readyMilliseconds: number) {
    this.#process = process_;
    this.#address = address;
    this.startMilliseconds = startMilliseconds;
    this.readyMilliseconds = readyMilliseconds;
  }

  static async start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Server> {
    const start = performance.now();
    const child = spawn(process.execPath, args, { env: { PORT: '0', ...env }, stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const line of createInterface({ input: child.stdout })) {
      const [, address] = /listening at (http:\/\/127[^"]+)/.exec(line) ?? [];
      if (!address) continue;
      child.stdout.resume();
      let isReady = (await fetch(`${address}/health/ready`)).ok;
      const answering = performance.now() - start;
      for (; !isReady; isReady = (await fetch(`${address}/health/ready`)).ok) await sleep(5);
      return new Server(child, new URL('/v1/evaluations', address), answering, performance.now() - start);
    }
    throw new Error(`${args.join(' ')} does not listen`);
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    this.#process.kill();
    await once(this.#process, 'close');
  }

  /** CPU seconds so far, by Linux. */
  cpuSeconds(): number {
    const [, fields = ''] = readFileSync(`/proc/${this.#process.pid}/stat`, 'utf8').split(') ');
    const [user, system] = fields.split(' ').slice(11, 13).map(Number);
    return ((user ?? 0) + (system ?? 0)) / TICKS;
  }

  /** The most memory that it ever had, in MiB. */
  peakMebibytes(): number {
    const status = readFileSync(`/proc/${this.#process.pid}/status`, 'utf8');
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
  }

  ask(body: string, query = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
      const options = { agent: this.#agent, method: 'POST', headers };
      const asked = request(new URL(query, this.#address), options, (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        answer.on('end', () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(text))));
      });
      asked.on('error', reject).end(body);
    });
  }

  /** Requests a CPU second, with sixteen of them always under way. */
  async saturate(query = ''): Promise<number> {
    const [cpu, end] = [this.cpuSeconds(), performance.now() + SECONDS * 1000];
    let answered = 0;
    const client = async (): Promise<void> => {
      for (; performance.now() < end; answered++) await this.ask(bodies[answered % bodies.length] as string, query);
    };
    await Promise.all(Array.from({ length: 16 }, client));
    return answered / (this.cpuSeconds() - cpu);
  }

  /** The latencies of requests that come at `rate` a second, whether those before are answered or not, in milliseconds. */
  async offer(rate: number): Promise<Offered> {
    const [cpu, start, total] = [this.cpuSeconds(), performance.now(), Math.round(rate * SECONDS)];
    const answers: Promise<number>[] = [];
    while (answers.length < total) {
      const due = Math.min(total, ((performance.now() - start) / 1000) * rate);
      while (answers.length < due) {
        const dueAt = start + (answers.length / rate) * 1000;
        const body = bodies[answers.length % bodies.length] as string;
        answers.push(this.ask(body).then(() => performance.now() - dueAt));
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const latencies = (await Promise.all(answers)).toSorted((a, b) => a - b);
    const seconds = (performance.now() - start) / 1000;
    return { rate, cores: (this.cpuSeconds() - cpu) / seconds, p50: at(latencies, 0.5), p99: at(latencies, 0.99) };
  }
}

/** How requests at a rate were answered: CPU seconds a second, milliseconds. */
interface Offered {
  readonly rate: number;
  readonly cores: number;
  readonly p50: number;
  readonly p99: number;
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.floor(share * (sorted.length - 1))] as number;
const median = (numbers: readonly number[]): number =>
  at(
    numbers.toSorted((a, b) => a - b),
    0.5,
  );

/** Does `job` to each in turn, so that what else the machine does meets all; the first round does not count. */
async function inTurn<T>(rounds: number, ways: readonly T[], job: (way: T) => Promise<number>): Promise<number[]> {
  const taken = ways.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [index, way] of ways.entries()) {
      const result = await job(way);
      if (round > 0) taken[index]?.push(result);
    }
  }
  return taken.map(median);
}

const ours = await Server.start(['dist/main.js'], { NODE_OPTIONS: HEAP });
const answer = await ours.ask(bodies[0] as string);
const bareArgs = ['--input-type=module', '--eval', BARE];
const bare = await Server.start(bareArgs, { ANSWER: answer });

const asked = [
  { what: 'evaluation', server: ours, query: '' },
  { what: 'evaluation without remedies', server: ours, query: '?remedies=false' },
  { what: 'bare Fastify', server: bare, query: '' },
];
const perCpuSecond = await inTurn(5, asked, ({ server, query }) => server.saturate(query));
const [evaluations = 0] = perCpuSecond;
const bareRate = perCpuSecond.at(-1) as number;
const offered: Offered[] = [];
for (const share of [0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) offered.push(await ours.offer(share * evaluations));
const peak = ours.peakMebibytes();
await ours.stop();
await bare.stop();

// Node 22 and later keep what they compiled, as the image has it.
const cache = mkdtempSync(join(tmpdir(), 'cache-'));
const ways = [
  { args: ['dist/main.js'], env: { NODE_COMPILE_CACHE: cache }, readies: [] as number[], firsts: [] as number[] },
  { args: bareArgs, env: { ANSWER: answer }, readies: [] as number[], firsts: [] as number[] },
];
const [ourStart = 0, bareStart = 0] = await inTurn(21, ways, async ({ args, env, readies, firsts }) => {
  const server = await Server.start(args, env);
  const asking = performance.now();
  await server.ask(bodies[0] as string);
  firsts.push(performance.now() - asking);
  await server.stop();
  readies.push(server.readyMilliseconds);
  return server.startMilliseconds;
});
rmSync(cache, { recursive: true, force: true });
const [ourFirst = 0, bareFirst = 0] = ways.map(({ firsts }) => median(firsts));
const [ourReady = 0] = ways.map(({ readies }) => median(readies));
const ratio = ourStart / bareStart;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
const written = `# What \`npm run bench:capacity\` measured

${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, Node ${process.version}. One process of the built service, asked about VMs of a large site, one a
request, over keep-alive connections from the same machine; a Fastify that reads the same bodies and always gives the same
answer took turns with it. Medians of five rounds of ${SECONDS} s.

${table(
  ['one process', 'requests a CPU second', 'of a bare Fastify'],
  asked.map(({ what }, index) => {
    const rate = perCpuSecond[index] as number;
    return [what, rate.toFixed(0), `${((100 * rate) / bareRate).toFixed(0)} %`];
  }),
)}

Evaluations that come at a rate, whether earlier ones are answered or not (latency counts from when each was due):

${table(
  ['evaluations a second', 'cores', 'p50', 'p99'],
  offered.map(({ rate, cores, p50, p99 }) => [
    rate.toFixed(0),
    cores.toFixed(2),
    `${p50.toFixed(1)} ms`,
    `${p99.toFixed(1)} ms`,
  ]),
)}

The most memory that the process had, with a heap of 224 MiB as in the small overlay: ${peak.toFixed(0)} MiB.

From the start of the process until it answers: ${ourStart.toFixed(0)} ms, ${ratio.toFixed(2)}x a bare Fastify's ${bareStart.toFixed(0)} ms; goal at most
1.5x: ${ratio <= 1.5 ? 'met' : 'NOT met'}. It says that it is ready, for what the first requests need is there, after ${ourReady.toFixed(0)} ms; the first evaluation then
takes ${ourFirst.toFixed(0)} ms, and ${bareFirst.toFixed(0)} ms.
`;
writeFileSync(new URL('CAPACITY.md', import.meta.url), written);
console.log(written);
