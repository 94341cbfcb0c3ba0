import type { Row } from './compare.ts';
import { timingOf } from './compare.ts';
import { bodyOf } from './documents.ts';
import { Load, quantile } from './open-loop.ts';
import { post, Saturated, Server } from './server.ts';

const PATH = '/v1/evaluations?remedies=false';

/** Seconds that the metrics say the event loop was late by, at the quantile that `name` ends in, since they were asked last. */
async function eventLoopLag(service: Server): Promise<{ readonly p50: number; readonly p99: number }> {
  const text = await service.ask('/metrics');
  const value = (name: string): number =>
    Number(new RegExp(`^nodejs_eventloop_lag_${name}_seconds ([\\d.e-]+)$`, 'm').exec(text)?.[1]);
  return { p50: value('p50'), p99: value('p99') };
}

/** How long answers take at a rate that leaves the process half of its time, and a tenth. Latency counts from when each was due. */
export async function latencies(short: boolean): Promise<Row[]> {
  const service = await Server.service();
  const requests = (index: number) => post(PATH, bodyOf(index));
  const busy = new Saturated(service, requests);
  const load = new Load(service.port, requests);
  try {
    await busy.warmUp(short ? 6000 : 20_000);
    const { answers, seconds } = await busy.keepBusy(short ? 1 : 5);
    const most = answers / seconds;
    const rows: Row[] = [];
    for (const share of [0.5, 0.9]) {
      await eventLoopLag(service);
      const outcomes = await load.offer(share * most, short ? 2 : 20);
      const lag = await eventLoopLag(service);
      const taken = outcomes.map(({ milliseconds }) => milliseconds);
      const wrong = outcomes.filter(({ status }) => status !== 200).length;
      const [p50, p99, p999] = [0.5, 0.99, 0.999].map((each) => quantile(taken, each).toFixed(1));
      rows.push({
        job: `latency at ${share * 100} % of the saturation rate, which is ${most.toFixed(0)}/s: POST /v1/evaluations`,
        timings: [timingOf('due until answered', taken)],
        each: { of: 1, unit: '' },
        ratios: [
          `p50 ${p50} ms, p99 ${p99} ms, p99.9 ${p999} ms of ${taken.length}`,
          `delay of the event loop p50 ${(lag.p50 * 1000).toFixed(1)} ms, p99 ${(lag.p99 * 1000).toFixed(1)} ms, of which 10 ms are the metric’s own timer`,
          ...(wrong > 0 ? [`${wrong} not answered with 200`] : []),
        ],
        goal: '',
        excess: null,
      });
    }
    return rows;
  } finally {
    busy.close();
    load.close();
    await service.stop();
  }
}
