import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { placementExamples, simulationExamples } from '../../src/http/examples.ts';
import { faults, random } from '../e2e/faults.ts';
import { fleet } from './fleet.ts';
import { type Held, held, observed } from './observed.ts';
import { inTurn, Load, post } from './open-loop.ts';
import { machine, table } from './results.ts';
import { SMALL } from './server.ts';
import { slope } from './statistics.ts';

/** `npm run bench:soak`: all kinds of requests, and what goes wrong with some, for ten minutes or as many seconds as the argument says. */

const [given = '600'] = process.argv.slice(2);
const seconds = Number(given);
const SAMPLES = 40;
/** A second, of single evaluations; of the others there are fewer. */
const RATE = 100;

const server = await observed({
  REQUEST_TIMEOUT_MS: '500',
  CONNECTION_TIMEOUT_MS: '5000',
  // As it is by default.
  QUEUE_DELAY_MS: undefined,
  NODE_OPTIONS: SMALL.options,
});
const singles = Array.from(fleet(5000), (each) => post('/v1/evaluations', JSON.stringify(each)));
const fleetLines = Array.from(fleet(100), (each) => JSON.stringify(each)).join('\n');
const placement = placementExamples['three-hosts']?.request;
const candidates = Array.from({ length: 100 }, (_, index) => ({ host: { qemu: '10.2.2', memory: index + 1 } }));
const long = [
  post('/v1/placements', JSON.stringify({ ...placement, candidates })),
  ...Object.values(simulationExamples).map(({ request }) => post('/v1/simulations', JSON.stringify(request))),
];
const kinds = [
  { load: new Load(server.port, inTurn(singles)), rate: RATE },
  { load: new Load(server.port, inTurn(long)), rate: 2 },
];

const counts = new Map<number, number>();
const numbers = random(3);
const state = { isOver: false, faults: 0 };
const wrong = Object.values(faults);
const misbehave = async (): Promise<void> => {
  while (!state.isOver) {
    // What of it is refused in an overload is answered otherwise than it would be.
    await wrong[numbers(wrong.length)]?.(server.port, numbers).catch(() => undefined);
    state.faults++;
    await sleep(50);
  }
};
const batches = async (): Promise<void> => {
  for (let batch = 0; !state.isOver; batch++) {
    // VMs of each batch are others than those of the last.
    const body = fleetLines.replaceAll('GiB', `${batch % 20}GiB`);
    const answer = await fetch(`${server.address}/v1/evaluations/batch`, { method: 'POST', body });
    const [totals = ''] = (await answer.text()).trimEnd().split('\n').slice(-1);
    if (answer.status === 200 && !totals.includes('"complete":true')) throw new Error(`a batch ended with ${totals}`);
    counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
    await sleep(1000);
  }
};
const misbehaving = Promise.all([batches(), misbehave(), misbehave(), misbehave()]);
const looks: Held[] = [];
for (let sample = 0; sample < SAMPLES; sample++) {
  const outcomes = await Promise.all(kinds.map(({ load, rate }) => load.offer(rate, seconds / SAMPLES)));
  for (const { status } of outcomes.flat()) counts.set(status, (counts.get(status) ?? 0) + 1);
  looks.push(await held(server));
}
state.isOver = true;
await misbehaving;
for (const { load } of kinds) load.close();
await sleep(1000);
const left = await held(server);
const exit = await server.stop();

/** The first quarter fills what is kept on purpose: answers, and code that was compiled. */
const steady = looks.slice(SAMPLES / 4);
const perHour = (values: readonly number[]): string => ((slope(values) * 3600 * SAMPLES) / seconds).toFixed(1);
const row = (name: string, of: (each: Held) => number, digits = 0): string[] => [
  name,
  ...[looks[0], looks[SAMPLES / 4], looks[SAMPLES / 2], looks.at(-1), left].map((each) =>
    each ? of(each).toFixed(digits) : '',
  ),
  perHour(steady.map(of)),
];
const answers = [...counts]
  .toSorted(([a], [b]) => a - b)
  .map(([status, count]) => `${count} with ${status || 'nothing'}`);

const written = `# What \`npm run bench:soak\` measured

${machine()}, ${SMALL.heap}. ${seconds} s of ${RATE} single evaluations a second, a batch of 100 VMs a second after the other, two placements or simulations, and
${state.faults} connections on which something went wrong. Answered: ${answers.join(', ')}. Garbage is collected before each look; the service
then stopped with ${exit}.

${table(
  [
    '',
    'at the beginning',
    'after a quarter',
    'after half',
    'at the end',
    'at rest',
    'an hour, by the last three quarters',
  ],
  [
    row('heap, MiB', ({ heap }) => heap, 1),
    row('resident, MiB', ({ resident }) => resident),
    row('sockets', ({ sockets }) => sockets),
    row('open files', ({ files }) => files),
    row('requests in flight', ({ inFlight }) => inFlight),
  ],
)}
`;
if (given === '600') writeFileSync(new URL('SOAK.md', import.meta.url), written);
console.log(written);
