import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { buildApp } from '../../src/app.ts';
import { decisionLogOf, readConfig } from '../../src/config.ts';

const directory = mkdtempSync(join(tmpdir(), 'decisions-'));
const key = join(directory, 'key');
const empty = join(directory, 'empty');
writeFileSync(key, 'secret\n');
writeFileSync(empty, '\n');
afterAll(() => rmSync(directory, { recursive: true }));

describe('the configuration', () => {
  it('remembers nothing by default', () => {
    expect(decisionLogOf(readConfig({}))).toBeNull();
  });

  it.each([
    [{ DECISION_LOG: 'stdout' }, { to: 'stdout', share: 1, mask: [], maskKey: null }],
    [
      { DECISION_LOG: '/var/log/d', DECISION_LOG_SHARE: '0.01' },
      { to: { path: '/var/log/d', maxBytes: 104_857_600, files: 5 }, share: 0.01 },
    ],
    [
      { DECISION_LOG: 'd', DECISION_LOG_MAX_BYTES: '5000', DECISION_LOG_FILES: '1' },
      { to: { path: 'd', maxBytes: 5000, files: 1 } },
    ],
    [
      { DECISION_LOG: 'd', DECISION_LOG_MASK: '/ref,/vm/vfio/*/host', DECISION_LOG_MASK_KEY_FILE: key },
      { mask: ['/ref', '/vm/vfio/*/host'], maskKey: 'secret' },
    ],
  ])('%j', (env, settings) => {
    expect(decisionLogOf(readConfig(env))).toMatchObject(settings);
  });

  it.each([
    [{ DECISION_LOG: '' }, 'DECISION_LOG: must be off, stdout or the path of a file'],
    [{ DECISION_LOG_SHARE: '0' }, 'DECISION_LOG_SHARE: must be a share'],
    [{ DECISION_LOG_SHARE: '1.5' }, 'DECISION_LOG_SHARE: must be a share'],
    [{ DECISION_LOG_SHARE: '10%' }, 'DECISION_LOG_SHARE: must be a share'],
    [{ DECISION_LOG_FILES: '0' }, 'DECISION_LOG_FILES: '],
    [{ DECISION_LOG_MASK: 'ref' }, 'DECISION_LOG_MASK: must be JSON Pointers'],
    [{ DECISION_LOG_MASK: '/ref,' }, 'DECISION_LOG_MASK: must be JSON Pointers'],
    // A pointer that is misspelt would mask nothing.
    [{ DECISION_LOG_MASK: '/vm/vfio/*' }, 'DECISION_LOG_MASK: /vm/vfio/* holds whole devices'],
    [{ DECISION_LOG_MASK: '/ref,/vm/nam' }, 'DECISION_LOG_MASK: no descriptor has anything at /vm/nam'],
    [{ DECISION_LOG_MASK: '/vm/vfio/host' }, 'DECISION_LOG_MASK: no descriptor has anything at /vm/vfio/host'],
  ])('%j is refused', (env, words) => {
    expect(() => readConfig(env)).toThrow(words);
  });

  it.each([
    [{ DECISION_LOG: directory }, 'decision log: EISDIR'],
    [{ DECISION_LOG: join(directory, 'no', 'log') }, 'decision log: ENOENT'],
    [{ DECISION_LOG: join(directory, 'log'), DECISION_LOG_MASK_KEY_FILE: join(directory, 'no') }, 'ENOENT'],
    [
      { DECISION_LOG: join(directory, 'log'), DECISION_LOG_MASK_KEY_FILE: empty },
      `DECISION_LOG_MASK_KEY_FILE: ${empty} is empty`,
    ],
  ])('%j is no service', async (env, words) => {
    await expect(buildApp(readConfig(env))).rejects.toThrow(words);
  });
});
