import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { figures } from '../e2e/faults.ts';
import { Server } from './server.ts';

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

/** Starts the built service so that {@link held} can have it collect garbage. */
export function observed(env: Readonly<NodeJS.ProcessEnv>): Promise<Server> {
  const preloaded = `--import=data:text/javascript,${encodeURIComponent(COLLECTS)}`;
  const options = `${preloaded} ${env['NODE_OPTIONS'] ?? ''}`;
  return Server.service({ SLOW_REQUEST_MS: '3600000', ...env, NODE_OPTIONS: options });
}

/** What `server` holds once garbage is collected. The request that asks is none of it. */
export async function held(server: Server): Promise<Held> {
  const { pid } = server.service;
  process.kill(pid, 'SIGWINCH');
  await sleep(200);
  const now = await figures(server.address);
  const figure = (name: string): number => now.get(name) ?? Number.NaN;
  return {
    heap: figure('nodejs_heap_size_used_bytes') / MIB,
    resident: server.residentBytes('now') / MIB,
    sockets: figure('nodejs_active_resources{type="TCPSocketWrap"}') - 1,
    files: readdirSync(`/proc/${pid}/fd`).length,
    inFlight: figure('preflight_http_requests_in_flight') - 1,
  };
}
