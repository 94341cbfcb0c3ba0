import { ALONE, compareMeasured, type Row, type Timing } from './compare.ts';
import { bodyOf, PATH, requestOf } from './documents.ts';
import { mebibytes } from './results.ts';
import { Loaded, Server } from './server.ts';

/** From the start of a process until it is ready, and has answered a first evaluation. */
export async function startUp(short: boolean): Promise<Row> {
  const body = bodyOf(0);
  const first = (start: () => Promise<Server>, asks: boolean) => async (): Promise<number> => {
    const begun = performance.now();
    const server = await start();
    if (asks) await server.ask(PATH, body);
    const taken = performance.now() - begun;
    await server.stop();
    return taken;
  };
  const timings = await compareMeasured(
    [
      { name: 'the service: an evaluation', measure: first(() => Server.service(), true) },
      { name: 'the service: ready', measure: first(() => Server.service(), false) },
      { name: 'bare Fastify: the same body', measure: first(() => Server.bare('{}'), true) },
      { name: 'bare Fastify: ready', measure: first(() => Server.bare('{}'), false) },
    ],
    { rounds: short ? 3 : 15, warmUp: 1 },
  );
  const [evaluation, ready, other, otherReady] = timings as [Timing, Timing, Timing, Timing];
  return {
    job: 'start of the process to its first answer',
    timings,
    each: { of: 1, unit: '' },
    ratios: [
      `${(evaluation.median / other.median).toFixed(2)}x a bare Fastify`,
      `ready ${(ready.median / otherReady.median).toFixed(2)}x`,
    ],
    goal: 'ready at most 1.5x',
    excess: ready.median / otherReady.median / 1.5,
  };
}

/** What the process holds in memory before and after its first load, beside a bare Fastify. */
export async function resident(short: boolean): Promise<Row> {
  const look = async (server: Server): Promise<string> => {
    const load = new Loaded(server, requestOf);
    const idle = server.residentBytes('now');
    await load.keepBusy(short ? 2 : 15);
    load.close();
    const most = server.residentBytes('most');
    await server.stop();
    return `${mebibytes(idle)} idle, at most ${mebibytes(most)} under load`;
  };
  const [service, bare] = [await look(await Server.service()), await look(await Server.bare('{}'))];
  return {
    job: 'memory of the process (RSS)',
    ...ALONE,
    ratios: [`the service ${service}`, `bare Fastify ${bare}`],
    goal: '',
    excess: null,
  };
}
