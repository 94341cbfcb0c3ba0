import { execFile, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fleet } from '../bench/fleet.ts';
import { type Service, start } from './service.ts';

const run = promisify(execFile);

let directory: string;
let path: string;
const services: Service[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'decisions-'));
  path = join(directory, 'log');
});
afterEach(async () => {
  for (const each of services) each.stop();
  await Promise.all(services.splice(0).map(({ exit }) => exit));
  rmSync(directory, { recursive: true });
});

function service(env: Readonly<Record<string, string>>): Service {
  const started = start({ PORT: '0', ...env });
  services.push(started);
  return started;
}

const FLEET = 12_000;
const lines = Array.from(fleet(FLEET), (each) => `${JSON.stringify(each)}\n`);
const whole = lines.join('');
const [first = ''] = lines;

/** Has the whole fleet judged, and meanwhile one VM after the other; says how long the slowest of these took. */
async function load(address: string): Promise<number> {
  const state = { isDone: false };
  const batch = fetch(`${address}/v1/evaluations/batch?only=unsafe`, { method: 'POST', body: whole })
    .then((answer) => answer.text())
    .finally(() => {
      state.isDone = true;
    });
  let slowest = 0;
  while (!state.isDone) {
    const begun = performance.now();
    const { status } = await fetch(`${address}/v1/evaluations?remedies=false`, { method: 'POST', body: first });
    expect(status).toBe(200);
    slowest = Math.max(slowest, performance.now() - begun);
  }
  const { totals } = JSON.parse((await batch).trimEnd().split('\n').at(-1) ?? '') as {
    totals: { decisions: number; errors: number };
  };
  expect(totals).toMatchObject({ decisions: FLEET, errors: 0 });
  return slowest;
}

/** What the service has counted. */
async function counts(
  address: string,
): Promise<{ decisions: number; written: number; dropped: number; bytes: number }> {
  const text = await (await fetch(`${address}/metrics`)).text();
  const of = (name: string): number =>
    [...text.matchAll(new RegExp(`^preflight_${name}(?:\\{[^}]*\\})? (\\d+)$`, 'gm'))].reduce(
      (sum, [, count]) => sum + Number(count),
      0,
    );
  return {
    decisions: of('decisions_total'),
    written: of('decision_log_written_total'),
    dropped: of('decision_log_dropped_total'),
    bytes: of('decision_log_written_bytes_total'),
  };
}

/** Milliseconds that an answer may take beside a batch, on a busy machine; a thread that waits for a disk takes forever. */
const SLOW_MS = 3000;

describe('a file', () => {
  it('takes every decision under load, and what is kept of them can be replayed', async () => {
    const env = { DECISION_LOG: path, DECISION_LOG_MAX_BYTES: '3000000', DECISION_LOG_FILES: '3' };
    const started = service(env);
    const address = await started.address;
    expect(await load(address)).toBeLessThan(SLOW_MS);
    await expect.poll(async () => (await counts(address)).written, { timeout: 20_000 }).toBeGreaterThan(FLEET);
    const { decisions, written, dropped, bytes } = await counts(address);
    expect([dropped, written]).toEqual([0, decisions]);
    const files = readdirSync(directory).toSorted();
    expect(files).toEqual(['log', 'log.1', 'log.2']);
    const sizes = files.map((name) => statSync(join(directory, name)).size);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(3_000_000);
    expect(bytes).toBeGreaterThan(9_000_000);
    const { stdout } = await run('npm', ['run', '--silent', 'replay', '--', `${path}.1`]);
    const kept = readFileSync(`${path}.1`, 'utf8').split('\n').length - 1;
    expect(stdout).toContain(
      `${kept} lines: 0 change, ${kept} do not, 0 cannot be decided again\nDecisions: ${kept} with the address that was logged`,
    );
  });

  it('that was moved away is made anew on SIGHUP', async () => {
    const started = service({ DECISION_LOG: path });
    const address = await started.address;
    const ask = () => fetch(`${address}/v1/evaluations`, { method: 'POST', body: first });
    await ask();
    await expect.poll(() => statSync(path).size).toBeGreaterThan(0);
    renameSync(path, `${path}-moved`);
    started.hangUp();
    await expect.poll(() => readdirSync(directory)).toContain('log');
    await ask();
    await expect.poll(() => statSync(path).size).toBeGreaterThan(0);
    expect(readFileSync(`${path}-moved`, 'utf8').match(/\n/g)).toHaveLength(1);
  });

  it('gets what waits before the service stops', async () => {
    const started = service({ DECISION_LOG: path });
    const address = await started.address;
    await fetch(`${address}/v1/evaluations/batch`, { method: 'POST', body: whole }).then((answer) => answer.text());
    started.stop();
    expect(await started.exit).toBe(0);
    expect(readFileSync(path, 'utf8').match(/\n/g)).toHaveLength(FLEET);
  });
});

describe('where nothing can be written, answers do not wait, and what is dropped is counted and said once', () => {
  /** A service with `env`, once it was loaded. */
  async function loaded(env: Readonly<Record<string, string>>): Promise<Service> {
    const started = service(env);
    const address = await started.address;
    expect(await load(address)).toBeLessThan(SLOW_MS);
    const { decisions, written, dropped } = await counts(address);
    expect(dropped).toBeGreaterThan(1000);
    // What is neither written nor dropped waits in memory, which has room for 8 MiB.
    expect(decisions - dropped - written).toBeLessThan((8 << 20) / 500);
    const said = started.said.filter((line) => line.includes('decision log'));
    expect(said).toEqual([expect.stringContaining('decisions are dropped from the decision log')]);
    return started;
  }

  it('a pipe that nobody reads', async () => {
    execFileSync('mkfifo', [path]);
    const started = await loaded({ DECISION_LOG: path });
    const begun = performance.now();
    started.stop();
    expect(await started.exit).toBe(0);
    expect(performance.now() - begun).toBeLessThan(8000);
  });

  it('a disk that is full', async () => {
    const started = await loaded({ DECISION_LOG: '/dev/full' });
    expect(started.said.join('\n')).toContain('ENOSPC');
  });

  it.skipIf(spawnSync('prlimit', ['--version']).error)('a file that may not grow any more', async () => {
    const started = service({ DECISION_LOG: path });
    const address = await started.address;
    execFileSync('prlimit', ['--pid', String(started.pid), '--fsize=1000000']);
    expect(await load(address)).toBeLessThan(SLOW_MS);
    expect(statSync(path).size).toBeLessThanOrEqual(1_000_000);
    expect((await counts(address)).dropped).toBeGreaterThan(1000);
    expect(started.said.join('\n')).toContain('EFBIG');
  });
});

describe('standard output', () => {
  it('has the decisions alone, and what the service says of itself is elsewhere', async () => {
    const started = spawn(process.execPath, ['dist/main.js'], {
      env: { PORT: '0', DECISION_LOG: 'stdout', DECISION_LOG_MASK: '/vm/vfio/*/host' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = createInterface({ input: started.stderr });
    const [listening] = (await once(said, 'line')) as [string];
    const [address = ''] = /http:[^"]+/.exec(listening) ?? [];
    const output: string[] = [];
    createInterface({ input: started.stdout }).on('line', (line) => output.push(line));
    await fetch(`${address}/v1/evaluations`, { method: 'POST', body: first });
    await expect.poll(() => output.length).toBe(1);
    started.kill('SIGTERM');
    await once(started, 'exit');
    expect(output.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ masked: ['/vm/vfio/*/host'] }]);
  });

  it('that nobody reads keeps neither an answer waiting, nor the service from stopping', async () => {
    const started = spawn(process.execPath, ['dist/main.js'], {
      env: { PORT: '0', DECISION_LOG: 'stdout' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    started.stdout.pause();
    const [listening] = (await once(createInterface({ input: started.stderr }), 'line')) as [string];
    const [address = ''] = /http:[^"]+/.exec(listening) ?? [];
    expect(await load(address)).toBeLessThan(SLOW_MS);
    expect((await counts(address)).dropped).toBeGreaterThan(0);
    started.kill('SIGTERM');
    const [code] = (await once(started, 'exit')) as [number];
    expect(code).toBe(0);
  });
});

describe('npm run replay', () => {
  const replay = (args: readonly string[]) =>
    run('npm', ['run', '--silent', 'replay', '--', ...args]).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => ({ code, stdout, stderr }),
    );

  it('says what a policy would change, and which lines are wrong', async () => {
    const policy = join(directory, 'policy.yaml');
    writeFileSync(
      policy,
      'version: 1\nrules:\n  - { id: site-no-vms, when: "true", verdict: blocked, message: none today }\n',
    );
    writeFileSync(path, `${readFileSync('openapi/examples/decisions.ndjson', 'utf8')}{"level":30}\n{"decis`);
    const { code, stdout, stderr } = await replay(['--policy', policy, '--changes', path]);
    expect(code).toBe(1);
    expect(stdout).toContain('4 lines: 2 change, 0 do not, 2 cannot be decided again');
    expect(stdout).toContain('  allowed -> blocked: 1, line 1 (ram-limit)');
    expect(stdout).toContain('  site-no-vms fires: 2 more, line 1 (ram-limit), line 2 (vfio-behind-viommu)');
    const changes = stdout
      .split('\n')
      .slice(0, 2)
      .map((line) => JSON.parse(line) as unknown);
    expect(changes).toMatchObject([
      { line: 1, ref: 'ram-limit' },
      { line: 2, ref: 'vfio-behind-viommu' },
    ]);
    expect(stderr).toMatch(/^line 3: \/decisionId: is required.*\nline 4: /);
  });

  it('needs no more than its one file', async () => {
    copyFileSync('dist/replay.js', join(directory, 'replay.mjs'));
    copyFileSync('openapi/examples/decisions.ndjson', path);
    const { stdout } = await run(process.execPath, ['replay.mjs', 'log'], { cwd: directory, env: {} });
    expect(stdout).toContain('2 lines: 1 change, 1 do not, 0 cannot be decided again');
  });

  it.each([
    ['nothing', [], 'usage: npm run replay'],
    ['two logs', ['a', 'b'], 'usage: npm run replay'],
    ['an option that there is none of', ['--polcy', 'a'], "Unknown option '--polcy'"],
    ['a log that is not there', ['no-log'], 'ENOENT'],
    [
      'a policy that is none',
      ['--policy', 'package.json', 'openapi/examples/decisions.ndjson'],
      'line 2: /name: no such member',
    ],
  ])('exits with 2 where it is given %s', async (_what, args, words) => {
    const { code, stderr } = await replay(args);
    expect(code).toBe(2);
    expect(stderr).toContain(words);
  });
});
