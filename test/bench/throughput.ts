import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { compareMeasured, type Row, type Timing } from './compare.ts';
import { bodyOf, fourDevices } from './documents.ts';
import { post, Saturated, Server } from './server.ts';

const PATH = '/v1/evaluations?remedies=false';

/** VMs of a batch. */
const LINES = 4000;

/** The lines of a batch of which no two are alike, nor like those of another `round`. */
const linesOf = (round: number): Buffer =>
  Buffer.from(
    Array.from({ length: LINES }, (_, index) => `${JSON.stringify(fourDevices(round * LINES + index))}\n`).join(''),
  );

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
  const single = new Saturated(service, (index) => post(PATH, bodyOf(index)));
  let round = 0;
  try {
    await single.warmUp(short ? 6000 : 20_000);
    const timings = await compareMeasured(
      [
        {
          name: `a batch of ${LINES} lines`,
          measure: async () => {
            const lines = linesOf(round++);
            const before = service.cpuSeconds();
            await sendBatch(service.port, lines);
            return ((service.cpuSeconds() - before) * 1000) / LINES;
          },
        },
        { name: 'a request each', measure: () => single.cpuMilliseconds(short ? 0.7 : 2) },
      ],
      { rounds: short ? 3 : 9, warmUp: 1 },
    );
    const [batch, requests] = timings as [Timing, Timing];
    return {
      job: 'VMs of which no two are alike in a batch, CPU a VM, remedies off',
      timings,
      each: { of: 1, unit: 'VM' },
      ratios: [`${(batch.median / requests.median).toFixed(2)} of a request each`],
      goal: '',
      excess: null,
    };
  } finally {
    single.close();
    await service.stop();
  }
}

/** Answers a second of one process, and of two on ports of their own, as replicas behind a balancer that takes turns. */
export async function twoProcesses(short: boolean): Promise<Row> {
  const requests = (index: number) => post(PATH, bodyOf(index));
  const services = [await Server.service(), await Server.service()] as const;
  const [one, other] = services.map((service) => new Saturated(service, requests)) as [Saturated, Saturated];
  const seconds = short ? 0.7 : 3;
  /** Milliseconds an answer, by the clock. */
  const together = async (loads: readonly Saturated[]): Promise<number> => {
    const taken = await Promise.all(loads.map((load) => load.keepBusy(seconds)));
    return 1000 / taken.reduce((rate, { answers, seconds: by }) => rate + answers / by, 0);
  };
  try {
    for (const load of [one, other]) await load.warmUp(short ? 6000 : 20_000);
    const timings = await compareMeasured(
      [
        { name: 'two processes, a port each', measure: () => together([one, other]) },
        { name: 'one process', measure: () => together([one]) },
      ],
      { rounds: short ? 3 : 9, warmUp: 1 },
    );
    const [two, single] = timings as [Timing, Timing];
    return {
      job: 'POST /v1/evaluations as fast as it goes, time an answer by the clock; the client takes its part of the same cores',
      timings,
      each: { of: 1, unit: 'answer' },
      ratios: [`two answer ${(single.median / two.median).toFixed(2)}x as many`],
      goal: '',
      excess: null,
    };
  } finally {
    for (const load of [one, other]) load.close();
    await Promise.all(services.map((service) => service.stop()));
  }
}
