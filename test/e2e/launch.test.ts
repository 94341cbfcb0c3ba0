import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'launch-'));
for (const path of ['package.json', 'dist/main.js', 'dist/service.cjs', 'dist/swagger-ui']) {
  cpSync(path, join(root, path), { recursive: true });
}
afterAll(() => rmSync(root, { recursive: true }));

/** Starts the service, runs `then` in its process, and yields whether V8 refused its bytecode, and what is ready. */
async function launched(then = ''): Promise<unknown> {
  const program = `
    const { script, bytecode, started } = await import('./dist/main.js');
    const app = await started;
    ${then}
    const { status } = (await app.inject('/health/ready')).json();
    console.log(JSON.stringify({ refused: script.cachedDataRejected ?? null, status }));
    process.exit();`;
  const env = { PORT: '0', LOG_LEVEL: 'warn' };
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: root,
    env,
  });
  return JSON.parse(stdout);
}

it('the service starts without bytecode, with what is none, and from its own', async () => {
  const kept = join(root, 'dist/service.bytecode');
  const keep = `(await import('node:fs')).writeFileSync('dist/service.bytecode', bytecode());`;
  const compiled = { refused: null, status: 'ready' };
  expect(await launched()).toEqual(compiled);
  writeFileSync(kept, 'x'.repeat(1000));
  expect(await launched(keep)).toEqual(compiled);
  expect(await launched(keep)).toEqual({ refused: false, status: 'ready' });

  const bytes = readFileSync(kept);
  bytes.writeUInt8(255 - bytes.readUInt8(bytes.length >> 1), bytes.length >> 1);
  writeFileSync(kept, bytes);
  expect(await launched(keep)).toEqual(compiled);

  const service = join(root, 'dist/service.cjs');
  writeFileSync(service, readFileSync(service, 'utf8').replace('"missing-facts"', '"missing-FACTS"'));
  expect(await launched()).toEqual(compiled);
});

it('who asks for source maps reads where in the sources it is', async () => {
  const env = { POLICY_FILE: '/no/such/file', NODE_OPTIONS: '--enable-source-maps' };
  const failed = promisify(execFile)(process.execPath, ['dist/main.js'], { env });
  await expect(failed).rejects.toMatchObject({ code: 1, stdout: expect.stringContaining('/src/main.ts:') as string });
});
