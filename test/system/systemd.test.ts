import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';

const UNIT = 'deploy/systemd/migration-preflight.service';
const MIB = 2 ** 20;

/** The values of a key, in the order in which they stand in the unit. */
const values = (key: string): string[] =>
  readFileSync(UNIT, 'utf8')
    .split('\n')
    .flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));

const [heap = ''] = values('Environment').flatMap((each) => /--max-old-space-size=(\d+)/.exec(each)?.slice(1) ?? []);

describe('the systemd unit', () => {
  it('has no fault that systemd finds', () => {
    // That node is where it says, only the machine that it is installed on can tell.
    const { error, stderr } = spawnSync('systemd-analyze', ['verify', '--recursive-errors=no', UNIT], {
      encoding: 'utf8',
    });
    if (error) throw error;
    expect(
      stderr.split('\n').filter((line) => line.includes('migration-preflight') && !line.includes('/usr/bin/node')),
    ).toEqual([]);
  });

  it('exposes as little as systemd can rate: 1.2 of 10 or less', () => {
    const options = ['security', '--offline=true', '--threshold=12', '--no-pager', UNIT];
    const { error, status, stdout } = spawnSync('systemd-analyze', options, { encoding: 'utf8' });
    if (error) throw error;
    expect(stdout).toMatch(/Overall exposure level/);
    expect(status).toBe(0);
  });

  it('starts what npm start starts', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { start: string } };
    expect(values('ExecStart')).toEqual([`/usr/bin/${scripts.start}`]);
  });

  it('reloads it by the signal on which it reads its files again', () => {
    expect(values('ExecReload')).toEqual(['/bin/kill -HUP $MAINPID']);
    expect(readFileSync('src/main.ts', 'utf8')).toContain("process.on('SIGHUP', () => void app.reload())");
  });

  it('gives the service longer to stop than it takes, and more memory than its heap', () => {
    expect(Number.parseInt(values('TimeoutStopSec')[0] ?? '', 10) * 1000).toBeGreaterThan(readConfig({}).shutdownMs);
    const memory = Number.parseInt(values('MemoryMax')[0] ?? '', 10) * MIB;
    expect(memory - Number(heap) * MIB).toBeGreaterThanOrEqual(160 * MIB);
  });

  it('lets this machine ask, as the service does by default', () => {
    expect([values('IPAddressDeny'), values('IPAddressAllow')]).toEqual([['any'], ['localhost']]);
    expect(readConfig({}).host).toBe('127.0.0.1');
  });

  it.each(['127.0.0.1', '0.0.0.0'])('forbids no system call that the service makes, listening on %s', async (host) => {
    const { calls, families } = await traced({ HOST: host, PORT: '0' });
    const allowed = systemCalls(values('SystemCallFilter'));
    // V8 asks for memory protection keys, and does without where there are none.
    expect([...calls].filter((name) => !allowed.has(name) && name !== 'pkey_alloc')).toEqual([]);
    expect([...calls]).toEqual(expect.arrayContaining(['accept4', 'listen', 'mmap']));
    const allowedFamilies = values('RestrictAddressFamilies').join(' ').split(' ');
    expect([...families].filter((family) => !allowedFamilies.includes(family))).toEqual([]);
    expect([...families]).toContain('AF_INET');
  });
});

/** What the built service asks of the kernel while it starts, answers and stops: system calls, and families of sockets. */
async function traced(env: Readonly<Record<string, string>>): Promise<{ calls: Set<string>; families: Set<string> }> {
  const directory = mkdtempSync(join(tmpdir(), 'strace-'));
  try {
    const log = join(directory, 'log');
    const strace = spawn('strace', ['-f', '-qq', '-o', log, process.execPath, 'dist/main.js'], { env });
    const ended = once(strace, 'close');
    for await (const line of createInterface({ input: strace.stdout })) {
      const { pid, msg } = JSON.parse(line) as { pid: number; msg: string };
      const [, address] = /listening at (http:\/\/127\.0\.0\.1:\d+)/.exec(msg) ?? [];
      if (!address) continue;
      const body = readFileSync('openapi/examples/domain.xml');
      await (await fetch(`${address}/v1/evaluations`, { method: 'POST', body })).text();
      await (await fetch(`${address}/metrics`)).text();
      process.kill(pid, 'SIGTERM');
    }
    expect(await ended).toEqual([0, null]);
    const lines = readFileSync(log, 'utf8');
    return {
      calls: new Set([...lines.matchAll(/^\d+ +(\w+)\(/gm)].map(([, name = '']) => name)),
      families: new Set([...lines.matchAll(/\bsocket\((AF_\w+)/g)].map(([, family = '']) => family)),
    };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What a list of filters lets pass, by what systemd says its sets hold: ["@system-service", "~@privileged"]. */
function systemCalls(filters: readonly string[]): Set<string> {
  const sets = new Map<string, string[]>();
  let members: string[] = [];
  for (const line of execFileSync('systemd-analyze', ['syscall-filter', '--no-pager'], {
    encoding: 'utf8',
    stdio: 'pipe',
  }).split('\n')) {
    if (line.startsWith('@')) sets.set(line, (members = []));
    else if (/^ +[@\w]/.test(line)) members.push(line.trim());
  }
  const membersOf = (name: string): string[] =>
    name.startsWith('@') ? (sets.get(name) ?? []).flatMap(membersOf) : [name];
  const allowed = new Set(membersOf('@default'));
  for (const filter of filters) {
    for (const name of filter.replace('~', '').split(' ').flatMap(membersOf)) {
      if (filter.startsWith('~')) allowed.delete(name);
      else allowed.add(name);
    }
  }
  return allowed;
}
