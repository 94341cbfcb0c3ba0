import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';

/** The stage of the Dockerfile that the image is of, its continued lines joined. */
const stage =
  readFileSync('Dockerfile', 'utf8')
    .replaceAll('\\\n', ' ')
    .split(/^FROM /m)
    .at(-1) ?? '';
const argumentsOf = (instruction: RegExp): string[] =>
  [...stage.matchAll(new RegExp(`^ *${instruction.source} (.*)$`, 'gm'))].map(([, line = '']) => line);
const commandOf = (instruction: RegExp): string[] => JSON.parse(argumentsOf(instruction)[0] ?? '') as string[];

describe('what the image holds is enough', () => {
  const root = mkdtempSync(join(tmpdir(), 'image-'));
  const env = { NODE_ENV: 'production', HOST: '127.0.0.1', PORT: '0' };
  let address = '';
  let stop: () => Promise<unknown>;

  beforeAll(async () => {
    for (const line of argumentsOf(/COPY --from=build/)) {
      const paths = line.split(' ');
      const to = paths.pop() ?? '';
      for (const from of paths.map((path) => relative('/app', path))) {
        // It is made with the image; the service does without.
        if (from === 'sbom.cdx.json') continue;
        const name = to.endsWith('/') ? join(to, from.replace(/^.*\//, '')) : to;
        cpSync(from, join(root, name), { recursive: true });
      }
    }
    const service = spawn(process.execPath, commandOf(/CMD/).slice(1), { cwd: root, env });
    const ended = once(service, 'close');
    stop = () => {
      service.kill();
      return ended;
    };
    for await (const line of createInterface({ input: service.stdout })) {
      [, address = ''] = /listening at (http:[^"]+)/.exec(line) ?? [];
      if (address) break;
    }
    service.stdout.resume();
  });
  afterAll(() => rmSync(root, { recursive: true }));

  it.each([
    '/health/live',
    '/metrics',
    '/openapi.json',
    '/docs/',
    '/docs/static/swagger-ui.css',
    '/docs/static/logo.svg',
  ])('to answer %s', async (path) => {
    const answer = await fetch(address + path);
    expect([answer.status, (await answer.text()).length > 10]).toEqual([200, true]);
  });

  it('to evaluate', async () => {
    const body = readFileSync('openapi/examples/domain.xml');
    const answer = await fetch(`${address}/v1/evaluations?qemu=10.2.2`, { method: 'POST', body });
    expect([answer.status, answer.headers.get('preflight-verdict')]).toEqual([200, 'blocked']);
  });

  it('to show the very document that its source shows', async () => {
    const app = await buildApp(readConfig({}));
    expect(await (await fetch(`${address}/openapi.json`)).json()).toEqual((await app.inject('/openapi.json')).json());
    await app.close();
  });

  it('to tell its own health, and its end', async () => {
    const check = commandOf(/HEALTHCHECK .* CMD/).slice(1);
    const { port } = new URL(address);
    const asked = (own: Readonly<Record<string, string>>) =>
      new Promise<number>((resolve) => {
        const child = execFile(process.execPath, check, { env: own });
        child.on('close', (code) => resolve(code ?? -1));
      });
    await expect.poll(() => asked({ PORT: port }), { timeout: 10_000 }).toBe(0);
    expect(await asked({ PORT: '1', OPERATIONS_PORT: port })).toBe(0);
    expect(await stop()).toEqual([0, null]);
    expect(await asked({ PORT: port })).toBe(1);
  });
});

describe('the image says of itself', () => {
  it('its version, its license and where it is from', () => {
    const { version, license } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, string>;
    const [labels = ''] = argumentsOf(/LABEL/);
    const said = [...labels.matchAll(/org\.opencontainers\.image\.([\w.]+)="([^"]*)"/g)].map(([, key, value]) => [
      key,
      value,
    ]);
    expect(Object.fromEntries(said)).toMatchObject({
      title: 'migration-preflight',
      version,
      licenses: license,
      revision: '${REVISION}',
      'base.name': '${NODE_IMAGE}',
    });
    expect(argumentsOf(/ARG/)).toEqual(['NODE_IMAGE', 'REVISION=unknown']);
  });

  it('what it is made of', () => {
    expect(argumentsOf(/COPY --from=build/).join(' ')).toContain('/app/sbom.cdx.json ./');
  });
});
