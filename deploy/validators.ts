import { Ajv } from 'ajv';
import standalone from 'ajv/dist/standalone/index.js';
import { buildSync } from 'esbuild';
import type { JsonSchema } from '../src/http/schemas.ts';
import { ajvOptions, bodies } from '../src/http/validation.ts';

/** What Ajv makes of the schemas of bodies, as CommonJS that needs no other module; `allErrors` tells every fault. */
export function validatorsOf(schemas: JsonSchema[], allErrors: boolean): string {
  const ajv = new Ajv({ ...ajvOptions(schemas), validateSchema: true, allErrors, code: { source: true } });
  const contents = standalone.default(ajv, Object.fromEntries(bodies.map((name) => [name, `${name}#`])));
  const stdin = { contents, resolveDir: '.' };
  const [made] = buildSync({ stdin, bundle: true, minify: true, format: 'cjs', write: false }).outputFiles;
  if (!made) throw new Error('there are no validators');
  return made.text;
}
