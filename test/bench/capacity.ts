import { writeFileSync } from 'node:fs';
import type { Timing } from './compare.ts';
import { fleet } from './fleet.ts';
import { inTurn, post, type Requests } from './open-loop.ts';
import { machine, mebibytes, table } from './results.ts';
import { compareCpu, Loaded, Server, SMALL } from './server.ts';
import { quantile } from './statistics.ts';

/** `npm run bench:capacity`: what one process carries, beside a bare Fastify; after `-- --short`, with more noise, nothing is written. */

const short = process.argv[2] === '--short';
const SECONDS = short ? 1 : 4;
const PATH = '/v1/evaluations';

const bodies = Array.from(fleet(512), (each) => JSON.stringify(each));
const requests = (path: string): Requests => inTurn(bodies.map((body) => post(path, body)));

const service = await Server.service({ NODE_OPTIONS: SMALL.options });
const bare = await Server.bare(await service.ask(PATH, bodies[0]));

const ways = await compareCpu(
  {
    evaluation: new Loaded(service, requests(PATH)),
    'evaluation without remedies': new Loaded(service, requests(`${PATH}?remedies=false`)),
    'bare Fastify': new Loaded(bare, requests(PATH)),
  },
  short,
);
await bare.stop();
const [evaluation, , nothing] = ways as [Timing, Timing, Timing];

const load = new Loaded(service, requests(PATH));
const offered: string[][] = [];
for (const share of [0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]) {
  const rate = (share * 1000) / evaluation.median;
  const { milliseconds, seconds, cpuSeconds } = await load.offer(rate, SECONDS);
  const [p50, p99] = [0.5, 0.99].map((each) => `${quantile(milliseconds, each).toFixed(1)} ms`) as [string, string];
  offered.push([rate.toFixed(0), (cpuSeconds / seconds).toFixed(2), p50, p99]);
}
load.close();
const most = service.residentBytes('most');
await service.stop();

const written = `# What \`npm run bench:capacity\` measured

${machine()}. One process of the built service, asked about VMs of a large site, one a
request, over keep-alive connections from the same machine; a Fastify that reads the same bodies and always gives the same
answer took turns with it; the medians of all rounds count.

${table(
  ['one process', 'requests a CPU second', 'of a bare Fastify'],
  ways.map(({ name, median }) => [
    name,
    (1000 / median).toFixed(0),
    `${((100 * nothing.median) / median).toFixed(0)} %`,
  ]),
)}

Evaluations that come at a rate, whether earlier ones are answered or not (latency counts from when each was due):

${table(['evaluations a second', 'cores', 'p50', 'p99'], offered)}

The most memory that the process had, with ${SMALL.heap}: ${mebibytes(most)}.
`;
if (!short) writeFileSync('test/bench/CAPACITY.md', written);
console.log(written);
