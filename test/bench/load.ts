import { writeFileSync } from 'node:fs';
import { placementExamples } from '../../src/http/examples.ts';
import { restarts } from '../e2e/restarts.ts';
import { fleet } from './fleet.ts';
import { inTurn, Load, type Outcome, post } from './open-loop.ts';
import { machine, mebibytes, table } from './results.ts';
import { Server } from './server.ts';
import { quantile } from './statistics.ts';

/** `npm run bench:load`: more load than can be answered, short requests beside long work, and restarts under load. */

/** Requests that are under way where the service is just kept busy. */
const CLIENTS = 32;
const ROUNDS = 5;
const RESTARTS = Number(process.argv[2] ?? 100);

const times = (outcomes: readonly Outcome[], status: number): number[] =>
  outcomes.flatMap((each) => (each.status === status ? [each.milliseconds] : []));
const milliseconds = (numbers: readonly number[], ...shares: readonly number[]): string =>
  shares.map((share) => quantile(numbers, share).toFixed(0)).join(' / ');
const percent = (ratio: number): string => `${(100 * ratio).toFixed(0)} %`;
const seconds = (outcomes: readonly Outcome[]): number =>
  Math.max(...outcomes.map(({ due, milliseconds: taken }) => due + taken)) / 1000;

/** VMs of a fleet, each with another memory: `count` that no two are answered alike. */
const others = (count: number): string[] =>
  Array.from(fleet(count), (each, index) =>
    JSON.stringify({ ...each, vm: { ...each.vm, memory: `${8192 + index}MiB` } }),
  );

/** More than the service remembers the answers of, so that each has to be judged. */
const singles = others(40_000).map((body) => post('/v1/evaluations', body));
const probe = [Buffer.from('GET /health/ready HTTP/1.1\r\nhost: localhost\r\n\r\n')];

/** What one round of twice as much load as can be answered came to. */
async function overload(server: Server, load: Load, health: Load): Promise<{ goodput: number; cells: string[] }> {
  const SECONDS = 6;
  let cpu = server.cpuSeconds();
  const peak = await load.saturate(CLIENTS, performance.now() + 3000);
  const peakRate = peak.length / seconds(peak);
  // What a CPU second is good for: another process on the machine may have the CPU meanwhile.
  const peakOfCpu = times(peak, 200).length / (server.cpuSeconds() - cpu);
  cpu = server.cpuSeconds();
  const [offered, probes] = await Promise.all([load.offer(2 * peakRate, SECONDS), health.offer(20, SECONDS)]);
  const answered = times(offered, 200);
  const ofCpu = answered.length / (server.cpuSeconds() - cpu);
  const lost = offered.filter(({ status }) => status !== 200 && status !== 503).length;
  const after = await load.offer(peakRate / 2, 5);
  const recovered = Math.max(0, ...after.flatMap(({ status, due }) => (status === 200 ? [] : [due])));
  const goodput = answered.length / seconds(offered) / peakRate;
  const settled = offered.filter(({ due }) => due > 2000);
  return {
    goodput,
    cells: [
      peakRate.toFixed(0),
      (offered.length / SECONDS).toFixed(0),
      percent(goodput),
      percent(ofCpu / peakOfCpu),
      String(lost),
      milliseconds(times(settled, 200), 0.5, 0.99),
      milliseconds(times(settled, 503), 0.5, 0.99),
      `${times(probes, 200).length} of ${probes.length}, ${milliseconds(times(probes, 200), 0.99)}`,
      `${(recovered / 1000).toFixed(1)} s`,
      mebibytes(server.residentBytes('most')),
    ],
  };
}

/** A job that is long, over and over until it is called off; gives how often it was done. */
function overAndOver(job: () => Promise<Response>, atOnce: number): () => Promise<number> {
  const state = { isOver: false, done: 0 };
  const worker = async (): Promise<void> => {
    while (!state.isOver) {
      const answer = await job();
      await answer.arrayBuffer();
      if (!answer.ok) throw new Error(`long work is answered ${answer.status}`);
      state.done++;
    }
  };
  const working = Promise.all(Array.from({ length: atOnce }, worker));
  return async () => {
    state.isOver = true;
    await working;
    return state.done;
  };
}

/** As it is by default. */
const server = await Server.service({ QUEUE_DELAY_MS: undefined });
const ask =
  (path: string, body: string): (() => Promise<Response>) =>
  () =>
    fetch(`${server.address}${path}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });

const batch = others(3000).join('\n');
const place = placementExamples['three-hosts']?.request;
const unknownHosts = Array.from({ length: 1000 }, (_, index) => ({ host: { memory: index + 1 } }));
const unknownVm = { memory: '64GiB', vfio: Array.from({ length: 8 }, (_, index) => ({ id: `dev${index}` })) };
/** 4000 mappings that each of ten passes asks for. */
const simulation = {
  vm: {
    memory: '64GiB',
    machine: 'pc-q35-10.2',
    viommu: { model: 'intel', addressWidth: 48 },
    vfio: [
      {
        id: 'dev0',
        guestDomain: 'dma',
        mappings: Array.from({ length: 4000 }, (_, index) => ({
          iova: `0x${(0x1_0000_0000 + index * 0x8000).toString(16)}`,
          pageSize: '4KiB',
          count: 1 + (index % 3),
        })),
      },
    ],
  },
  source: {
    qemu: '11.0.0',
    kernel: '6.12',
    iommu: { addressWidth: 48, dirtyTracking: false },
    devices: { dev0: { protocol: 'v2', stopCopy: true, p2p: true, preCopy: true, dmaLogging: false } },
    behaviours: { viommuBlock: 'device-tracking' },
  },
  events: [{ type: 'tracking-start', by: 'migration' }, ...Array.from({ length: 10 }, () => ({ type: 'sync' }))],
  limit: 100_000,
};
const disks = Array.from(
  { length: 5000 },
  (_, index) => `<disk type='file'><source file='/images/${index}'/><target dev='vd${index}' bus='virtio'/></disk>`,
).join('');
const domain = `<domain type='kvm'><name>a</name><memory unit='GiB'>4</memory><devices>${disks}</devices></domain>`;
const placement = JSON.stringify({ ...place, candidates: unknownHosts });
const unknownPlacement = JSON.stringify({ vm: unknownVm, source: {}, candidates: unknownHosts });

const beside: readonly (readonly [string, number, (() => Promise<Response>) | null])[] = [
  ['nothing else', 0, null],
  ['a batch', 1, ask('/v1/evaluations/batch', batch)],
  ['eight batches', 8, ask('/v1/evaluations/batch', batch)],
  ['four placements on 1000 hosts', 4, ask('/v1/placements', placement)],
  ['two placements of a VM and on hosts of which nothing is known', 2, ask('/v1/placements', unknownPlacement)],
  ['two simulations of 40 000 steps', 2, ask('/v1/simulations', JSON.stringify(simulation))],
  [
    'imports of a domain of half a MiB, one after the other',
    1,
    // It has more disks than are taken: what takes time is to read it.
    async () => {
      const answer = await ask('/v1/imports', domain)();
      return new Response(await answer.arrayBuffer());
    },
  ],
];

const load = new Load(server.port, inTurn(singles));
const health = new Load(server.port, inTurn(probe));
await load.saturate(CLIENTS, performance.now() + 3000);

const fairness: string[][] = [];
for (const [name, atOnce, job] of beside) {
  const callOff = job ? overAndOver(job, atOnce) : null;
  const cpu = server.cpuSeconds();
  const outcomes = await load.offer(50, 8);
  const cores = (server.cpuSeconds() - cpu) / seconds(outcomes);
  const done = await callOff?.();
  fairness.push([
    name,
    String(done ?? ''),
    `${times(outcomes, 200).length} of ${outcomes.length}`,
    ...[0.5, 0.99, 0.999].map((share) => `${quantile(times(outcomes, 200), share).toFixed(1)} ms`),
    cores.toFixed(2),
  ]);
  console.log(fairness.at(-1)?.join(' | '));
}

const rounds: { goodput: number; cells: string[] }[] = [];
for (let round = 0; round < ROUNDS; round++) {
  rounds.push(await overload(server, load, health));
  console.log(rounds.at(-1)?.cells.join(' | '));
}
load.close();
health.close();
await server.stop();
const goodput = quantile(
  rounds.map((round) => round.goodput),
  0.5,
);

const { answered, lost, exits } = await restarts(RESTARTS, 8);

const written = `# What \`npm run bench:load\` measured

${machine()}; the client has one of the cores. Single evaluations are of a large site's VMs, with remedies, each of
another VM, so that no answer is one that the service remembers.

Twice as many single evaluations as the service answers with ${CLIENTS} always under way, whether those before are answered or not, round by
round. Times are in milliseconds, the median and one in a hundred, without the first 2 s. Median of the share that is answered: ${percent(goodput)};
goal at least 80 %: ${goodput >= 0.8 ? 'met' : 'NOT met'}.

${table(
  [
    'answered at best, a second',
    'offered',
    'answered of the best',
    'of CPU time',
    'lost',
    'those answered',
    'those refused',
    'probes of health',
    'last refusal at half the load',
    'most memory',
  ],
  rounds.map(({ cells }) => cells),
)}

50 single evaluations a second beside work that is long and never ends:

${table(['beside', 'done meanwhile', 'answered', 'median', 'p99', 'p99.9', 'cores'], fairness)}

${RESTARTS} restarts under eight clients that ask again only where nothing had come back: ${answered} requests answered, ${lost.length} lost; ${exits.filter((code) => code !== 0).length} exits were not 0.
`;
if (process.argv[2] === undefined) writeFileSync(new URL('LOAD.md', import.meta.url), written);
console.log(written);
