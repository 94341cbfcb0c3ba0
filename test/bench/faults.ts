import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { faults, random, repeat } from '../e2e/faults.ts';
import { type Held, held, observed } from './observed.ts';
import { machine, table } from './results.ts';
import { slope } from './statistics.ts';

/** `npm run bench:faults`: 10 000 of each thing that goes wrong over connections, or as many as the argument says, and what they leave. */

const [count = '10000'] = process.argv.slice(2);
const ROUNDS = 5;
const AT_ONCE = 100;
/** Of those that wait for a timeout; each is a connection. */
const IDLE_AT_ONCE = 1000;
const idle = new Set([
  'headers that do not end',
  'a body that does not end',
  'a body that does not end, of what was answered already',
  'a connection that says nothing',
]);

const server = await observed({ REQUEST_TIMEOUT_MS: '1000', CONNECTION_TIMEOUT_MS: '5000' });

/** What is held once all that was under way has ended. */
async function settled(): Promise<Held> {
  for (let times = 0; ; times++) {
    const now = await held(server);
    if ((now.inFlight === 0 && now.sockets <= 0) || times === 100) return now;
    await sleep(100);
  }
}

const numbers = random(11);
const each = Math.ceil(Number(count) / ROUNDS);
const rows: string[][] = [];
for (const [name, fault] of Object.entries(faults)) {
  const after: Held[] = [];
  // The first round fills what is kept on purpose.
  for (let round = 0; round <= ROUNDS; round++) {
    await repeat(round === 0 ? Math.ceil(each / 4) : each, idle.has(name) ? IDLE_AT_ONCE : AT_ONCE, () =>
      fault(server.port, numbers),
    );
    after.push(await settled());
  }
  const [first, ...rounds] = after;
  const last = rounds.at(-1) ?? first;
  rows.push([
    name,
    String(each * ROUNDS),
    `${first?.heap.toFixed(1)} → ${last?.heap.toFixed(1)} MiB`,
    `${((slope(rounds.map(({ heap }) => heap)) * 2 ** 20) / each).toFixed(1)} B`,
    `${first?.resident.toFixed(0)} → ${last?.resident.toFixed(0)} MiB`,
    `${last?.sockets}`,
    `${first?.files} → ${last?.files}`,
  ]);
  console.log(rows.at(-1)?.join(' | '));
}
const exit = await server.stop();
const complaints = server.service.said.filter((line) => !/"msg":"(?:Server listening|stopping)/.test(line));

const written = `# What \`npm run bench:faults\` measured

${machine()}. Each goes wrong on a connection of its own, ${AT_ONCE} at a time; garbage is collected before the heap is
looked at, and a quarter of a round goes before the first figure. The service then stopped with ${exit} and had logged ${complaints.length} lines.

${table(['what goes wrong', 'times', 'heap', 'heap, each time', 'resident', 'sockets left', 'open files'], rows)}
`;
if (count === '10000') writeFileSync(new URL('FAULTS.md', import.meta.url), written);
console.log(written);
