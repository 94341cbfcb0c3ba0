import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Row, Timing } from './compare.ts';
import { bodyOf, requestOf } from './documents.ts';
import { compareLoaded, Loaded, Server } from './server.ts';

/** VMs of a batch. */
const LINES = 4000;

/** The lines of a batch of which no two are alike, nor like those of another `round`. */
const linesOf = (round: number): Buffer =>
  Buffer.from(Array.from({ length: LINES }, (_, index) => `${bodyOf(round * LINES + index)}\n`).join(''));

/** Reads the answer to `lines` as one batch to its end. */
async function sendBatch(port: number, lines: Buffer): Promise<void> {
  const headers = { 'content-type': 'application/x-ndjson' };
  const options = { host: '127.0.0.1', port, path: '/v1/evaluations/batch?remedies=false', method: 'POST', headers };
  const sent = request(options).end(lines);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  let end = '';
  for await (const part of answer) end = (end + String(part)).slice(-1000);
  const { totals } = JSON.parse(end.trimEnd().split('\n').at(-1) ?? '') as { totals: { decisions: number } };
  if (totals.decisions !== LINES) throw new Error(`${totals.decisions} decisions on ${LINES} VMs`);
}

/** CPU a VM of the service: many as lines of one request, and each as a request. */
export async function batchBesideSingle(short: boolean): Promise<Row> {
  const service = await Server.service();
  const single = new Loaded(service, requestOf);
  let round = 0;
  const inBatch = async (): Promise<number> => {
    const lines = linesOf(round++);
    const before = service.cpuSeconds();
    await sendBatch(service.port, lines);
    return ((service.cpuSeconds() - before) * 1000) / LINES;
  };
  const timings = await compareLoaded(
    [single],
    [
      { name: `a batch of ${LINES} lines`, measure: inBatch },
      { name: 'a request each', measure: () => single.cpuMilliseconds(short) },
    ],
    short,
  );
  await service.stop();
  const [batch, requests] = timings as [Timing, Timing];
  return {
    job: 'VMs of which no two are alike in a batch, CPU a VM, remedies off',
    timings,
    each: { of: 1, unit: 'VM' },
    ratios: [`${(batch.median / requests.median).toFixed(2)} of a request each`],
    goal: '',
    excess: null,
  };
}

/** Answers a second of one process, and of two on ports of their own, as replicas behind a balancer that takes turns. */
export async function twoProcesses(short: boolean): Promise<Row> {
  const services = [await Server.service(), await Server.service()];
  const loads = services.map((service) => new Loaded(service, requestOf));
  /** Milliseconds an answer, by the clock. */
  const together = async (some: readonly Loaded[]): Promise<number> => {
    const taken = await Promise.all(some.map((load) => load.keepBusy(short ? 0.7 : 3)));
    return 1000 / taken.reduce((rate, { milliseconds, seconds }) => rate + milliseconds.length / seconds, 0);
  };
  const timings = await compareLoaded(
    loads,
    [
      { name: 'two processes, a port each', measure: () => together(loads) },
      { name: 'one process', measure: () => together(loads.slice(0, 1)) },
    ],
    short,
  );
  await Promise.all(services.map((service) => service.stop()));
  const [two, single] = timings as [Timing, Timing];
  return {
    job: 'POST /v1/evaluations as fast as it goes, time an answer by the clock; the client takes its part of the same cores',
    timings,
    each: { of: 1, unit: 'answer' },
    ratios: [`two answer ${(single.median / two.median).toFixed(2)}x as many`],
    goal: '',
    excess: null,
  };
}
