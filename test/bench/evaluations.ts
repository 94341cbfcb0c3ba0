import { check } from '../../src/descriptor/check.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { decisionIdOf } from '../../src/evaluation/canonical.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { namedSchemas, ref } from '../../src/http/schemas.ts';
import { validators } from '../../src/http/validation.ts';
import { compareMeasured, inProcess, type Row, type Timing } from './compare.ts';
import { bodyOf, PATH, requestOf } from './documents.ts';
import { compareCpu, Loaded, Server } from './server.ts';

const microseconds = (milliseconds: number): string => `${(milliseconds * 1000).toFixed(0)} µs`;

/** How requests differ from those before, from nothing that was asked for on. */
const WAYS = {
  'each VM with a memory of a size of its own': 'memory',
  'no two VMs alike': 'groups',
  'alike but for names': 'names',
} as const;

interface BesideBare {
  /** Of the service with each of {@link WAYS} and with the same body over and over, and of a bare Fastify. */
  readonly timings: readonly [Timing, Timing, Timing, Timing, Timing];
  /** Bytes in and out. */
  readonly sizes: string;
}

/** CPU a request of the service, and of a Fastify that sends the same bytes. */
async function besideBare(translated: boolean, short: boolean): Promise<BesideBare> {
  const text = bodyOf(0, { translated });
  const service = await Server.service();
  const answer = await service.ask(PATH, text);
  const bare = await Server.bare(answer);
  const ways = Object.entries(WAYS).map(([way, differing]) => [
    `the service, ${way}`,
    new Loaded(service, (index) => requestOf(index, { translated, differing })),
  ]);
  const timings = await compareCpu(
    {
      ...(Object.fromEntries(ways) as Readonly<Record<string, Loaded>>),
      'the service, the same body': new Loaded(service, () => requestOf(0, { translated })),
      'bare Fastify, the same bytes out': new Loaded(bare, (index) => requestOf(index, { translated })),
    },
    short,
  );
  await Promise.all([service.stop(), bare.stop()]);
  return {
    timings: timings as unknown as BesideBare['timings'],
    sizes: `${text.length} bytes, answered ${answer.length}`,
  };
}

const EACH = { of: 1, unit: 'request' };

const timesOf = (a: Timing, b: Timing): string => `${(a.median / b.median).toFixed(2)}x`;

/** What one evaluation costs the service, beside a server that reads and sends as much; and where the rest goes. */
export async function evaluations(short: boolean): Promise<Row[]> {
  const { timings, sizes } = await besideBare(false, short);
  const [unlike, fleet, named, same, bare] = timings;
  const row = (job: string, of: Timing[], least: Timing, ratios: string[]): Row => ({
    job: `POST /v1/evaluations, CPU a request: 4 devices, all known, remedies off (${sizes})${job}`,
    timings: [...of, bare],
    each: EACH,
    ratios,
    goal: 'at most 2x',
    excess: least.median / bare.median / 2,
  });
  const rows = [
    row('', [named, same], named, [
      `${timesOf(named, bare)} a bare Fastify where names differ`,
      `${timesOf(same, bare)} where nothing does`,
    ]),
    row(', nothing asked before', [unlike, fleet], fleet, [
      `${timesOf(fleet, bare)} a bare Fastify`,
      `${timesOf(unlike, bare)} where memory differs`,
    ]),
  ];
  return short ? rows : [...rows, await inBetween(fleet.median - bare.median)];
}

/** As {@link evaluations}, of a VM behind a vIOMMU, about which there is far more to say. No goal. */
export async function translatedEvaluations(short: boolean): Promise<Row> {
  const { timings, sizes } = await besideBare(true, short);
  const [unlike, fleet, named, same, bare] = timings;
  return {
    job: `the same of a VM behind intel-iommu, which is refused (${sizes})`,
    timings,
    each: EACH,
    ratios: [
      `${timesOf(fleet, bare)} a bare Fastify`,
      `where memory differs ${timesOf(unlike, bare)}, alike but for names ${timesOf(named, bare)}, the same body ${timesOf(same, bare)}`,
    ],
    goal: '',
    excess: null,
  };
}

/** Documents of a round. */
const DOCUMENTS = 4000;

/** The parts of an evaluation in process, and what of the `milliseconds` that the service takes beyond a bare Fastify is none of them. */
async function inBetween(milliseconds: number): Promise<Row> {
  const isValid = validators(namedSchemas())({ schema: ref('Descriptor') });
  const texts = Array.from({ length: DOCUMENTS }, (_, index) => bodyOf(index));
  const fresh = (): Descriptor[] => texts.map((text) => JSON.parse(text) as Descriptor);
  const ofEach = (name: string, job: (each: Descriptor) => unknown) =>
    inProcess(name, fresh, (all) => all.forEach((each) => void job(each)));
  const ways = [
    inProcess('JSON.parse, which the other does, too', () => undefined, fresh),
    ofEach('validation: Ajv, check()', (each) => (isValid(each), check(each))),
    ofEach('evaluate()', (each) => evaluate(each)),
    ofEach('… of it canonical form and SHA-256', (each) => decisionIdOf(each, null)),
    inProcess(
      'JSON.stringify, which the other does, too',
      () => fresh().map((each) => evaluate(each)),
      (all) => all.forEach((each) => void JSON.stringify(each)),
    ),
  ];
  const timings = await compareMeasured(ways, { rounds: 9, warmUp: 3 });
  const [, validation, evaluation] = timings.map(({ median }) => median / DOCUMENTS) as [number, number, number];
  return {
    job: 'what stands between: CPU in process',
    timings,
    each: { of: DOCUMENTS, unit: 'request' },
    ratios: [
      `${microseconds(milliseconds)} of CPU between: ${microseconds(validation)} validation`,
      `${microseconds(evaluation)} evaluate(), ${microseconds(milliseconds - validation - evaluation)} what remembers answers, hooks, headers, metrics`,
    ],
    goal: '',
    excess: null,
  };
}
