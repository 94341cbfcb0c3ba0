import { Ajv } from 'ajv';
import standalone from 'ajv/dist/standalone/index.js';
import { buildSync } from 'esbuild';
import type { JsonSchema } from '../src/http/schemas.ts';
import { ajvOptions, bodies, type BuiltValidators } from '../src/http/validation.ts';

/** What Ajv makes of the schemas of bodies, as the service loads it. */
export function buildValidators(schemas: JsonSchema[]): BuiltValidators {
  const build = (allErrors: boolean): string => {
    const ajv = new Ajv({ ...ajvOptions(schemas), validateSchema: true, allErrors, code: { source: true } });
    const contents = standalone.default(ajv, Object.fromEntries(bodies.map((name) => [name, `${name}#`])));
    const stdin = { contents, resolveDir: '.' };
    const [built] = buildSync({ stdin, bundle: true, minify: true, format: 'cjs', write: false }).outputFiles;
    if (!built) throw new Error('there are no validators');
    return built.text;
  };
  return { hasty: build(false), thorough: build(true) };
}
