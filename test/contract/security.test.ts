import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { parseClients, scopes } from '../../src/http/clients.ts';

const run = promisify(execFile);
const page = readFileSync('deploy/SECURITY.md', 'utf8');

/** The one fenced block of `language`. */
const block = (language: string): string =>
  new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'ms').exec(page)?.[1] ?? '';

describe('the page on security', () => {
  it('shows a list of clients that can be read', () => {
    const clients = parseClients(block('text'));
    expect(clients.byCertificate(['dns:prometheus.monitoring.svc'])).toEqual({
      name: 'prometheus',
      scopes: new Set(['metrics']),
    });
  });

  it('shows how to make a token, and its line', async () => {
    const { stdout, stderr } = await run('bash', ['-c', block('sh').replace('>> clients', '')]);
    const token = stderr.trim();
    expect(token).toMatch(/^[\da-f]{64}$/);
    expect(stdout).not.toContain(token);
    expect(parseClients(stdout).byToken(token)).toEqual({ name: 'nova', scopes: new Set(['evaluate', 'batch']) });
  });

  it('names every scope, and no variable that there is none of', () => {
    expect([...page.matchAll(/^\| `(\w+)` +\|/gm)].map(([, scope]) => scope)).toEqual([...scopes]);
    const variables = Object.keys(readConfig({})).map((name) =>
      name.replaceAll(/[A-Z]/g, (c) => `_${c}`).toUpperCase(),
    );
    const named = [...page.matchAll(/`([A-Z]+(?:_[A-Z]+)+)/g)].map(([, name]) => name);
    expect(named.length).toBeGreaterThan(8);
    expect(variables).toEqual(expect.arrayContaining(named));
  });

  it('names only metrics that there are', () => {
    const source = readFileSync('src/metrics/access-metrics.ts', 'utf8');
    const named = [...page.matchAll(/`(preflight_\w+)`/g)].map(([, name = '']) => name);
    expect(named).toHaveLength(3);
    for (const name of named) expect(source).toContain(`'${name}'`);
  });
});
