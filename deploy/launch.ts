import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import type * as main from '../src/main.ts';

/**
 * dist/main.js: runs dist/service.cjs from the bytecode that the build kept of it (code-cache.ts). Bytecode that another
 * V8 has made, or one with other flags, V8 refuses, and compiles what it needs, as it would without.
 */
const filename = fileURLToPath(new URL('service.cjs', import.meta.url));
const source = readFileSync(filename);
/** Bytes of a SHA-256. */
const DIGEST = 32;

export const script = new Script(`(function (module, require, __filename, __dirname) {${source.toString()}\n})`, {
  filename,
  cachedData: keptBytecode(),
});

export const { started } = service();

/** {@link script} as bytecode now, to be kept in dist/service.bytecode behind a digest of both: V8 knows code by its length alone. */
export function bytecode(): Buffer {
  const made = script.createCachedData();
  return Buffer.concat([digestOf(made), made]);
}

function keptBytecode(): Buffer | undefined {
  try {
    const kept = readFileSync(new URL('service.bytecode', import.meta.url));
    const made = kept.subarray(DIGEST);
    return digestOf(made).equals(kept.subarray(0, DIGEST)) ? made : undefined;
  } catch {
    // The service does without.
    return undefined;
  }
}

function service(): typeof main {
  const require = createRequire(filename);
  // Node finds the source map of a module, not that of a script.
  if (process.sourceMapsEnabled) return require(filename) as typeof main;
  const module = {} as { exports: typeof main };
  script.runInThisContext()(module, require, filename, dirname(filename));
  return module.exports;
}

/** SHA-256 of the source and of `made` of it. */
function digestOf(made: Buffer): Buffer {
  return createHash('sha256').update(source).update(made).digest();
}
