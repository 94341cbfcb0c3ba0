import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { Answers } from '../../src/http/answers.ts';
import { BatchAnswers, lineFrame } from '../../src/http/batch-answers.ts';
import { Reader } from '../../src/http/body.ts';
import { envelopeParts } from '../../src/http/envelope.ts';
import { Lines } from '../../src/http/lines.ts';
import { SILENT } from '../../src/http/policies.ts';
import { namedSchemas, ref } from '../../src/http/schemas.ts';
import { CHUNK } from '../../src/http/streaming.ts';
import { validators } from '../../src/http/validation.ts';
import { importDocument } from '../../src/importers/index.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { factAt } from '../../src/descriptor/questions.ts';
import { Metrics } from '../../src/metrics/metrics.ts';
import { ALONE, compare, type Row, type Timing } from './compare.ts';
import { fleet } from './fleet.ts';
import { argvOf, xmlOf } from './fleet-formats.ts';
import { mebibytes } from './results.ts';
import { Server } from './server.ts';
import { slope } from './statistics.ts';

/** VMs of the fleet, and of it those that are read as XML and as command lines. */
const FLEET = 100_000;
const SOME = 2000;

const compile = validators(namedSchemas());
const reader = new Reader(compile({ schema: envelopeParts }));
const metrics = new Metrics({ ruleset: 'bench', version: '0', rules: [], facts: [], factAt });

const freshAnswers = (): Answers => new Answers(compile({ schema: ref('Descriptor') }));

/** Answers `bytes`, whose lines none may be wrong, as the service does but for the connection. */
function answerAll(bytes: Buffer, answers: Answers, summary = false): number {
  const failed = (error: unknown): never => {
    throw error;
  };
  const judges = { answers, profiles: new Map(), site: SILENT, metrics, decisionLog: null, failed };
  const asked = { requestId: '', traceId: '', client: null };
  const batch = new BatchAnswers(judges, { only: null, summary, remedies: false }, lineFrame, asked);
  const lines = new Lines(1 << 20);
  let written = 0;
  for (let at = 0; at < bytes.length; at += 1 << 16) {
    for (const { number, text } of lines.in(bytes.subarray(at, at + (1 << 16)))) {
      const json = text ?? '';
      const read = () => reader.items(json, '', 'any');
      batch.add({ place: { line: number }, json, read, ref: () => undefined });
      if (batch.size >= CHUNK) written += batch.take().length;
    }
  }
  const end = batch.end(true);
  const { totals } = JSON.parse(end.toString().trimEnd().split('\n').at(-1) ?? '') as { totals: { errors: number } };
  if (totals.errors > 0) throw new Error(`${totals.errors} lines are wrong`);
  return written + end.length;
}

const bytesOf = (lines: readonly string[]): Buffer => Buffer.from(lines.map((line) => `${line}\n`).join(''));

/** What a program does that reads lines and writes them: it decodes, parses, writes and encodes. */
function copyAll(bytes: Buffer): void {
  const lines = new Lines(1 << 20);
  for (let at = 0; at < bytes.length; at += 1 << 16) {
    for (const { text } of lines.in(bytes.subarray(at, at + (1 << 16)))) JSON.stringify(JSON.parse(text ?? ''));
  }
}

const share = (faster: Timing, slower: Timing): number => faster.median / slower.median;

/** The fleet as JSON lines, beside reading and writing the same lines. */
export function jsonLines(): Row {
  const texts = Array.from(fleet(FLEET), (each) => JSON.stringify(each));
  const bytes = bytesOf(texts);
  const known = freshAnswers();
  const [first, again, inShort, copy] = compare<Answers>(
    [
      {
        name: 'batch, a fleet not seen before',
        prepare: freshAnswers,
        run: (answers) => void answerAll(bytes, answers),
      },
      { name: 'batch, the same fleet again', prepare: () => known, run: (answers) => void answerAll(bytes, answers) },
      {
        name: 'batch, again and in short',
        prepare: () => known,
        run: (answers) => void answerAll(bytes, answers, true),
      },
      {
        name: 'JSON.parse + JSON.stringify',
        prepare: () => known,
        run: () => {
          for (const text of texts) JSON.stringify(JSON.parse(text));
        },
      },
    ],
    { rounds: 5, warmUp: 1 },
  ) as [Timing, Timing, Timing, Timing];
  const rate = share(copy, first);
  return {
    job: `batch of ${FLEET} VMs as JSON lines (${Math.round(bytes.length / FLEET)} bytes each), decisionId included`,
    timings: [first, again, inShort, copy],
    each: { of: FLEET, unit: 'VM' },
    ratios: [`${rate.toFixed(2)} of the rate of JSON.parse + JSON.stringify; again ${share(copy, again).toFixed(2)}`],
    goal: 'at least 0.33',
    excess: 1 / 3 / rate,
  };
}

/** VMs of which no two are alike: each is judged. No goal. */
export function unlikeLines(): Row {
  const count = 2000;
  const odd = (each: Descriptor, index: number): Descriptor => ({
    ...each,
    vm: { ...each.vm, memory: `${8192 + index}MiB` },
  });
  const texts = Array.from(fleet(count), (each, index) => JSON.stringify(odd(each, index)));
  const bytes = bytesOf(texts);
  const [batch, copy] = compare<Answers>(
    [
      { name: 'batch', prepare: freshAnswers, run: (answers) => void answerAll(bytes, answers) },
      { name: 'JSON.parse + JSON.stringify', prepare: freshAnswers, run: () => copyAll(bytes) },
    ],
    { rounds: 5, warmUp: 2 },
  ) as [Timing, Timing];
  return {
    job: `batch of ${count} VMs of which no two are alike, as JSON lines`,
    timings: [batch, copy],
    each: { of: count, unit: 'VM' },
    ratios: [`${share(copy, batch).toFixed(3)} of the rate of JSON.parse + JSON.stringify`],
    goal: '',
    excess: null,
  };
}

function besideParser(
  job: string,
  format: 'libvirt-xml' | 'qemu-argv',
  documents: readonly string[],
  lines: readonly string[],
): Row {
  const bytes = bytesOf(lines);
  const [batch, parser] = compare<Answers>(
    [
      { name: 'batch', prepare: freshAnswers, run: (answers) => void answerAll(bytes, answers) },
      {
        name: 'its importer alone',
        prepare: freshAnswers,
        run: () => {
          for (const document of documents) importDocument(format, document);
        },
      },
    ],
    { rounds: 5, warmUp: 1 },
  ) as [Timing, Timing];
  const size = Math.round(documents.join('').length / documents.length);
  return {
    job: `batch of ${documents.length} VMs as ${job} (${size} bytes each)`,
    timings: [batch, parser],
    each: { of: documents.length, unit: 'VM' },
    ratios: [`${(batch.median / parser.median).toFixed(2)}x as long as the importer alone`],
    goal: '',
    excess: null,
  };
}

/** The fleet as domain XML in envelopes that name the host, beside reading the XML. */
export function xmlLines(): Row {
  const vms = [...fleet(SOME)];
  const documents = vms.map(xmlOf);
  const lines = vms.map(({ ref: own, source }, index) =>
    JSON.stringify({ ref: own, import: { format: 'libvirt-xml', document: documents[index] }, source }),
  );
  return besideParser('domain XML in envelopes', 'libvirt-xml', documents, lines);
}

/** The fleet as command lines, beside reading those. Of the hosts nothing is known. */
export function argvLines(): Row {
  const documents = Array.from(fleet(SOME), argvOf);
  return besideParser('QEMU command lines', 'qemu-argv', documents, documents);
}

/** Lines between two looks at the memory of the service. */
const LOOK = 5000;

/** How many times the fleet is sent. */
const ROUNDS = 5;

/** The fleet through one connection to the built service: whether its memory grows, and what a VM costs it. */
export async function overHttp(): Promise<Row> {
  const count = ROUNDS * FLEET;
  const service = await Server.service();
  const headers = { 'content-type': 'application/x-ndjson' };
  const sent = request(`${service.address}/v1/evaluations/batch`, { method: 'POST', headers });
  const before = service.cpuSeconds();
  const looks: number[] = [];
  let answered = 0;
  let last = '';
  const reading = (async () => {
    const [answer] = (await once(sent, 'response')) as [IncomingMessage];
    for await (const line of createInterface({ input: answer })) {
      last = line;
      if (++answered % LOOK === 0) looks.push(service.residentBytes('now'));
    }
  })();
  for (let round = 0; round < ROUNDS; round++) {
    for (const each of fleet(FLEET)) {
      if (!sent.write(`${JSON.stringify(each)}\n`)) await once(sent, 'drain');
    }
  }
  sent.end();
  await reading;
  const { totals } = JSON.parse(last) as { totals: { decisions: number } };
  const seconds = service.cpuSeconds() - before;
  const most = service.residentBytes('most');
  await service.stop();
  if (totals.decisions !== count) throw new Error(`${totals.decisions} decisions on ${count} VMs`);
  // The first half fills what is kept and what the garbage collector likes to have.
  const settled = looks.slice(looks.length >> 1);
  const grown = slope(settled) / LOOK;
  return {
    job: `${count} VMs through one connection to the service`,
    ...ALONE,
    ratios: [
      `${grown.toFixed(0)} bytes of memory a VM (RSS, ${settled.length} looks in the second half)`,
      `at most ${mebibytes(most)}; ${((seconds * 1e6) / count).toFixed(0)} µs of CPU a VM`,
    ],
    goal: 'at most 100 bytes',
    excess: grown / 100,
  };
}
