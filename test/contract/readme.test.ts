import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { FakeHost } from '../deploy/fake-host.ts';

const readme = readFileSync('README.md', 'utf8');
const run = promisify(execFile);

/** The fenced blocks of `language`, without their fences. */
const blocks = (language: string): string[] =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block = '']) => block);

/** What differs from one run to the next: ids of requests, and of the traces that begin with them. */
const normalized = (text: string): string =>
  text.replaceAll(/[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}|\b[\da-f]{32}\b/g, 'ID');

describe.skipIf(spawnSync('curl', ['--version']).error)('a command in the README prints what stands below it', () => {
  const commands = blocks('console').flatMap((block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((each): [string, string] => {
        const end = each.indexOf('\n');
        return [each.slice(0, end), each.slice(end + 1)];
      }),
  );
  const host = new FakeHost().command('virsh', 'test "$*" = "dumpxml web1" && cat openapi/examples/domain.xml');
  const app = buildApp(readConfig({}));
  let address = '';
  beforeAll(async () => {
    address = await (await app).listen({ host: '127.0.0.1', port: 0 });
  });
  afterAll(async () => {
    host[Symbol.dispose]();
    await (await app).close();
  });

  it('of which there are ten', () => {
    expect(commands).toHaveLength(10);
  });

  it.each(commands)('%s', async (command, printed) => {
    const { stdout } = await run('bash', ['-c', command.replace('http://127.0.0.1:8080', address)], { env: host.env });
    expect(normalized(stdout.trimEnd())).toBe(normalized(printed.trimEnd()));
  });
});

describe('the library example in the README', () => {
  it('prints what stands below it, run as it stands', async () => {
    const [code = ''] = blocks('js');
    const [printed = ''] = blocks('out');
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', code]);
    expect(stdout).toBe(printed);
  });

  it('has ten lines', () => {
    expect(
      blocks('js')[0]
        ?.split('\n')
        .filter((line) => line !== ''),
    ).toHaveLength(10);
  });
});

describe('the README names', () => {
  it('every variable with its default, and no other', () => {
    const rows = [...readme.matchAll(/^\| `(\w+)` +\| `(.+?)` +\|/gm)].map(([, name = '', value]) => [
      name.toLowerCase().replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]);
    const isNone = (value: unknown): boolean => value === null || (value instanceof Map && value.size === 0);
    const defaults = Object.entries(readConfig({})).map(([name, value]) => [
      name,
      isNone(value) ? 'none' : String(value),
    ]);
    expect(rows).toEqual(defaults);
  });

  it('every part of src, and no other', () => {
    const parts = readdirSync('src', { withFileTypes: true }).flatMap((entry) => {
      if (entry.isFile()) return [`src/${entry.name}`];
      return readdirSync(`src/${entry.name}`).length > 0 ? [`src/${entry.name}/`] : [];
    });
    const [map = ''] = blocks('text');
    expect(map.match(/^src\/\S+/gm)?.toSorted()).toEqual(parts.toSorted());
  });

  it('only scripts that there are', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: object };
    const named = [...readme.matchAll(/npm run ([\w:]+)/g)].map(([, script]) => script);
    expect(named.length).toBeGreaterThan(0);
    expect(Object.keys(scripts)).toEqual(expect.arrayContaining(named));
  });

  it('only files that there are', () => {
    const links = [...readme.matchAll(/\]\((?!https?:)([^)]+)\)/g)].map(([, path = '']) => path);
    const missing = links.filter((path) => !existsSync(path));
    expect(links.length).toBeGreaterThan(0);
    expect(missing).toEqual([]);
  });
});
