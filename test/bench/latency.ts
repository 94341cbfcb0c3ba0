import { figures } from '../e2e/faults.ts';
import { type Row, timingOf } from './compare.ts';
import { requestOf } from './documents.ts';
import { Loaded, Server } from './server.ts';
import { quantile } from './statistics.ts';

/** Milliseconds that the metrics say the event loop was late by since they were asked last. */
async function eventLoopLag(service: Server): Promise<string> {
  const now = await figures(service.address);
  const [p50, p99] = ['p50', 'p99'].map((each) =>
    ((now.get(`nodejs_eventloop_lag_${each}_seconds`) ?? Number.NaN) * 1000).toFixed(1),
  );
  return `p50 ${p50} ms, p99 ${p99} ms`;
}

/** How long answers take at a rate that leaves the process half of its time, and a tenth. Latency counts from when each was due. */
export async function latencies(short: boolean): Promise<Row[]> {
  const service = await Server.service();
  const load = new Loaded(service, requestOf);
  await load.warmUp(short);
  const busy = await load.keepBusy(short ? 1 : 5);
  const most = busy.milliseconds.length / busy.seconds;
  const rows: Row[] = [];
  for (const share of [0.5, 0.9]) {
    await eventLoopLag(service);
    const { milliseconds } = await load.offer(share * most, short ? 2 : 20);
    const lag = await eventLoopLag(service);
    const [p50, p99, p999] = [0.5, 0.99, 0.999].map((each) => quantile(milliseconds, each).toFixed(1));
    rows.push({
      job: `latency at ${share * 100} % of the saturation rate, which is ${most.toFixed(0)}/s: POST /v1/evaluations`,
      timings: [timingOf('due until answered', milliseconds)],
      each: { of: 1, unit: '' },
      ratios: [
        `p50 ${p50} ms, p99 ${p99} ms, p99.9 ${p999} ms of ${milliseconds.length}`,
        `delay of the event loop ${lag}, of which 10 ms are the metric’s own timer`,
      ],
      goal: '',
      excess: null,
    });
  }
  load.close();
  await service.stop();
  return rows;
}
