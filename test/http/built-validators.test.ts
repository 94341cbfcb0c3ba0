import { compileFunction } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { validatorsOf } from '../../deploy/validators.ts';
import type { Validators } from '../../src/http/built.ts';
import { examples, placementExamples, simulationExamples } from '../../src/http/examples.ts';
import { namedSchemas, ref } from '../../src/http/schemas.ts';
import { bodies, validators } from '../../src/http/validation.ts';

const schemas = namedSchemas();
const made = (allErrors: boolean) => (): Validators => {
  const exported: Validators = {};
  compileFunction(validatorsOf(schemas, allErrors), ['exports'])(exported);
  return exported;
};
const [ajvs, ours] = [validators(schemas, null), validators(schemas, { hasty: made(false), thorough: made(true) })];

const requests = {
  Descriptor: examples,
  PlacementRequest: placementExamples,
  Simulation: simulationExamples,
};

/** Every place in `value`: the keys that lead to it. */
const placesIn = (value: unknown): string[][] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, inner]) => [[key], ...placesIn(inner).map((path) => [key, ...path])])
    : [];

/** `value` with `put` at `path`, or without what is there. */
function changed(value: unknown, [key = '', ...path]: readonly string[], put: unknown): unknown {
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string, unknown>;
  if (path.length > 0) copy[key] = changed(copy[key], path, put);
  else if (put === undefined) delete copy[key];
  else copy[key] = put;
  return copy;
}

describe.each(bodies)('the validator of a %s that the build makes', (name) => {
  const [expected, found] = [ajvs({ schema: ref(name) }), ours({ schema: ref(name) })];
  const all = Object.values(requests[name]).map(({ request }): unknown => request);

  it('takes what Ajv takes', () => {
    expect(all.length).toBeGreaterThan(0);
    for (const request of all) expect([expected(request), found(request)]).toEqual([true, true]);
  });

  it('says of what is wrong what Ajv says, in every place of it', () => {
    const wrong = fc.constantFrom<unknown>(undefined, null, true, -1, 0.5, '', '0x', 'x'.repeat(300), [], {}, { a: 1 });
    const mutated = fc
      .constantFrom(...all)
      .chain((request) => fc.tuple(fc.constant(request), fc.constantFrom(...placesIn(request)), wrong));
    fc.assert(
      fc.property(mutated, ([request, path, put]) => {
        const body = changed(request, path, put);
        expect(found(body)).toEqual(expected(body));
      }),
      { numRuns: 500 },
    );
  });
});
