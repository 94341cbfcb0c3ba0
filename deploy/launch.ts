import { existsSync, readFileSync } from 'node:fs';
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
const bytecode = fileURLToPath(new URL('service.bytecode', import.meta.url));

export const script = new Script(
  `(function (module, require, __filename, __dirname) {${readFileSync(filename, 'utf8')}\n})`,
  { filename, ...(existsSync(bytecode) && { cachedData: readFileSync(bytecode) }) },
);

export const { started } = service();

function service(): typeof main {
  const require = createRequire(filename);
  // Node finds the source map of a module, not that of a script.
  if (process.sourceMapsEnabled) return require(filename) as typeof main;
  const module = {} as { exports: typeof main };
  script.runInThisContext()(module, require, filename, dirname(filename));
  return module.exports;
}
