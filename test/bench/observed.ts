import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { figures } from '../e2e/faults.ts';
import { type Service, start } from '../e2e/service.ts';

const MIB = 2 ** 20;

/** Collects what is garbage in the service when it is sent SIGWINCH, so that what is left is what it keeps. */
const COLLECTS = `import v8 from 'node:v8';
import { runInNewContext } from 'node:vm';
v8.setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
process.on('SIGWINCH', () => collect());`;

/** What a service holds: memory in MiB. */
export interface Held {
  readonly heap: number;
  readonly resident: number;
  readonly sockets: number;
  readonly files: number;
  readonly inFlight: number;
}

/** The built service, and what it holds. */
export class Observed {
  readonly service: Service;
  readonly address: string;
  readonly port: number;

  private constructor(service: Service, address: string) {
    this.service = service;
    this.address = address;
    this.port = Number(new URL(address).port);
  }

  static async start(env: Readonly<Record<string, string>> = {}): Promise<Observed> {
    const preloaded = `--import=data:text/javascript,${encodeURIComponent(COLLECTS)}`;
    const service = start({
      PORT: '0',
      SLOW_REQUEST_MS: '3600000',
      ...env,
      NODE_OPTIONS: `${preloaded} ${env['NODE_OPTIONS'] ?? ''}`,
    });
    return new Observed(service, await service.address);
  }

  /** What it holds once garbage is collected. The request that asks is none of it. */
  async held(): Promise<Held> {
    process.kill(this.service.pid, 'SIGWINCH');
    await sleep(200);
    const now = await figures(this.address);
    const figure = (name: string): number => now.get(name) ?? Number.NaN;
    return {
      heap: figure('nodejs_heap_size_used_bytes') / MIB,
      resident: this.resident(),
      sockets: figure('nodejs_active_resources{type="TCPSocketWrap"}') - 1,
      files: readdirSync(`/proc/${this.service.pid}/fd`).length,
      inFlight: figure('preflight_http_requests_in_flight') - 1,
    };
  }

  /** Resident memory, in MiB. */
  resident(): number {
    const status = readFileSync(`/proc/${this.service.pid}/status`, 'utf8');
    return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024) / MIB;
  }

  /** Its exit code, once it has stopped. */
  async stop(): Promise<number | null> {
    this.service.stop();
    return this.service.exit;
  }
}

/** By how much `values` grow from one to the next, by least squares. */
export function slope(values: readonly number[]): number {
  const [x, y] = [(values.length - 1) / 2, values.reduce((sum, each) => sum + each, 0) / values.length];
  let [above, below] = [0, 0];
  for (const [index, value] of values.entries()) {
    above += (index - x) * (value - y);
    below += (index - x) ** 2;
  }
  return above / below;
}

export const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

export const machine = (): string =>
  `${cpus()[0]?.model ?? 'unknown CPU'}, ${cpus().length} cores, Node ${process.version}`;
