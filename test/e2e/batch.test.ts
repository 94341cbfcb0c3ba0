import { once } from 'node:events';
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { examples } from '../../src/http/examples.ts';
import { fleet } from '../bench/fleet.ts';
import { type Service, start } from './service.ts';

const services: Service[] = [];

function service(env: Readonly<Record<string, string>> = {}): Service {
  const started = start({ PORT: '0', ...env });
  services.push(started);
  return started;
}

afterEach(async () => {
  for (const each of services) each.stop();
  await Promise.all(services.splice(0).map(({ exit }) => exit));
});

const line = `${JSON.stringify(examples['domain-switch']?.request)}\n`;

/** Begins a batch whose lines are still to be written. */
function begin(address: string, query = ''): ClientRequest {
  const headers = { 'content-type': 'application/x-ndjson' };
  return request(`${address}/v1/evaluations/batch${query}`, { method: 'POST', headers });
}

const answerOf = async (sent: ClientRequest): Promise<IncomingMessage> => {
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  return answer;
};

interface Line {
  readonly line?: number;
  readonly verdict?: string;
  readonly type?: string;
  readonly totals?: { readonly complete: boolean; readonly items: number; readonly decisions: number };
}

/** The lines of an answer, as they come. */
async function* linesOf(answer: IncomingMessage): AsyncGenerator<Line> {
  let left = '';
  for await (const chunk of answer.setEncoding('utf8')) {
    const lines = (left + chunk).split('\n');
    left = lines.pop() ?? '';
    for (const each of lines) yield JSON.parse(each) as Line;
  }
  expect(left).toBe('');
}

/** How many decisions the service has counted. */
async function decisions(address: string): Promise<number> {
  const text = await (await fetch(`${address}/metrics`)).text();
  const counts = [...text.matchAll(/^preflight_decisions_total\{[^}]*\} (\d+)$/gm)].map(([, count]) => Number(count));
  return counts.reduce((sum, count) => sum + count, 0);
}

describe('a batch over a connection', () => {
  it('answers lines while others are still to come, for longer than a request may take', async () => {
    const sent = begin(await service({ REQUEST_TIMEOUT_MS: '500' }).address);
    sent.write(line);
    const lines = linesOf(await answerOf(sent));
    expect((await lines.next()).value).toMatchObject({ line: 1, verdict: 'risky' });
    for (let number = 2; number <= 5; number++) {
      await sleep(600);
      sent.write(line);
      expect((await lines.next()).value).toMatchObject({ line: number, verdict: 'risky' });
    }
    sent.end();
    expect((await lines.next()).value).toMatchObject({ totals: { complete: true, items: 5 } });
    expect((await lines.next()).done).toBe(true);
  });

  it('ends with a client that falls silent', async () => {
    const address = await service({ CONNECTION_TIMEOUT_MS: '500' }).address;
    const sent = begin(address);
    sent.write(line);
    const answer = await answerOf(sent);
    const read: Line[] = [];
    const reading = async (): Promise<void> => {
      for await (const each of linesOf(answer)) read.push(each);
    };
    await expect(reading()).rejects.toThrow('aborted');
    expect(read).toMatchObject([{ line: 1 }]);
    expect((await fetch(`${address}/health/live`)).status).toBe(200);
  });

  it('answers a whole fleet in order', async () => {
    const sent = begin(await service().address, '?summary=true');
    const count = 3000;
    const numbers = (async () => {
      const read: Line[] = [];
      for await (const each of linesOf(await answerOf(sent))) read.push(each);
      return read;
    })();
    for (const each of fleet(count)) {
      if (!sent.write(`${JSON.stringify(each)}\n`)) await once(sent, 'drain');
    }
    sent.end();
    const read = await numbers;
    expect(read.map((each) => each.line)).toEqual([
      ...Array.from({ length: count }, (_, index) => index + 1),
      undefined,
    ]);
    expect(read.at(-1)?.totals).toMatchObject({ complete: true, items: count, decisions: count });
  });
});

describe('a client that does not read', () => {
  it('is sent no more than it takes, and the rest once it reads', async () => {
    const address = await service().address;
    const sent = begin(address);
    const written = { count: 0 };
    const count = 30_000;
    const writing = (async () => {
      for (; written.count < count; written.count++) {
        if (!sent.write(line)) await once(sent, 'drain');
      }
      sent.end();
    })();
    const answer = await answerOf(sent);
    // What both ends and the connection hold fills up, and then nothing moves any more.
    let before = -1;
    await expect
      .poll(
        async () => {
          const still = before === written.count;
          before = written.count;
          await sleep(300);
          return still;
        },
        { timeout: 20_000 },
      )
      .toBe(true);
    expect(written.count).toBeLessThan(count);
    expect((await fetch(`${address}/health/ready`)).status).toBe(200);
    let lines = 0;
    let last: Line = {};
    for await (const each of linesOf(answer)) {
      lines++;
      last = each;
    }
    await writing;
    expect([lines, last.totals?.decisions]).toEqual([count + 1, count]);
  });
});

describe('a client that goes away', () => {
  it('ends the work', async () => {
    const started = service();
    const address = await started.address;
    const sent = begin(address, '?only=unsafe');
    sent.on('error', () => undefined);
    // Each is another VM, so that each has to be judged.
    const lines = Array.from(fleet(2000), (each, index) =>
      JSON.stringify({ ...each, vm: { ...each.vm, memory: `${8192 + index}MiB` } }),
    );
    sent.write(`${lines.join('\n')}\n`);
    await sleep(500);
    sent.destroy();
    await expect
      .poll(
        async () => {
          const before = await decisions(address);
          await sleep(500);
          return (await decisions(address)) - before;
        },
        { timeout: 20_000 },
      )
      .toBe(0);
    expect(await decisions(address)).toBeLessThan(lines.length);
    started.stop();
    expect(await started.exit).toBe(0);
    expect(started.said.filter((said) => said.includes('"level":50'))).toEqual([]);
  });
});

describe('a service that is told to stop', () => {
  it('ends a batch with the totals of what it read', async () => {
    const started = service({ DRAIN_MS: '3000' });
    const sent = begin(await started.address);
    sent.on('error', () => undefined);
    sent.write(line);
    const lines = linesOf(await answerOf(sent));
    expect((await lines.next()).value).toMatchObject({ line: 1 });
    started.stop();
    let last: Line | undefined;
    const writing = setInterval(() => sent.writable && sent.write(line.repeat(50)), 20);
    for await (const each of lines) last = each;
    clearInterval(writing);
    expect(last?.totals).toMatchObject({ complete: false });
    sent.destroy();
    expect(await started.exit).toBe(0);
  });
});
