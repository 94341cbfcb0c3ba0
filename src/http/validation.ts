import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { closest } from 'fastest-levenshtein';
import { lazy } from '../descriptor/lazy.ts';
import { member } from '../descriptor/pointer.ts';
import { type Built, built, type Validators } from './built.ts';
import { invalidRequest, type Place, type Problem } from './problems.ts';
import type { JsonSchema } from './schemas.ts';

/** A part that holds more values than this is told its first fault only: Ajv takes quadratic time to collect all. */
const THOROUGH_MAX = 4096;

/** Judges a part of a request: the error names every place that is wrong. */
export type Validate = (data: unknown) => true | { readonly error: Problem };

/** Makes a {@link Validate} of a schema; `httpPart` says what its places are in: of a query parameters, else pointers. */
export type Compile = (part: { readonly schema: JsonSchema; readonly httpPart?: string | undefined }) => Validate;

/** Named schemas of bodies, of which the build makes functions. */
export const bodies = ['Descriptor', 'PlacementRequest', 'Simulation'] as const;

/** What Ajv is told, whoever asks it and when; that the schemas are schemas, the build looks at. */
export const ajvOptions = (schemas: JsonSchema[]): Options => ({
  schemas,
  verbose: true,
  discriminator: true,
  validateSchema: false,
});

/**
 * How parts of a request are judged: nothing is coerced, no default is set and no unknown member is dropped. What is
 * wrong is said, in every place of it.
 */
export function validators(schemas: JsonSchema[], prepared: Omit<Built, 'schemas'> | null = built): Compile {
  const options = ajvOptions(schemas);
  // A schema is compiled when it is first needed: a third of the time to start would go into those that never are.
  const hasty = maker(options, prepared?.hasty);
  const thorough = maker({ ...options, allErrors: true }, prepared?.thorough);
  return ({ schema, httpPart }) => {
    const compiled = lazy(() => hasty(schema));
    return (data: unknown) => {
      const isValid = compiled();
      if (isValid(data)) return true;
      const collect = holdsMoreThan(THOROUGH_MAX, data) ? isValid : thorough(schema);
      collect(data);
      return { error: invalidRequest(faultsOf((collect.errors ?? []) as VerboseError[], httpPart)) };
    };
  };
}

/** What makes a function of a schema: one of `prepared`, or else Ajv. */
function maker(options: Options, prepared?: () => Validators): (schema: JsonSchema) => ValidateFunction {
  const ajv = lazy(() => new Ajv(options));
  const made = lazy(() => prepared?.() ?? {});
  return (schema) => {
    const name = bodies.find((each) => schema['$ref'] === `${each}#`);
    return (name && made()[name]) ?? ajv().compile(schema);
  };
}

/** Whether there are more than `limit` values in `data`, itself and members of members included. */
function holdsMoreThan(limit: number, data: unknown): boolean {
  const values = [data];
  for (const value of values) {
    if (values.length > limit) return true;
    if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) values.push(each);
  }
  return false;
}

/** An error of Ajv's, which brings the schema that it is about where Ajv is told to be verbose. */
interface VerboseError extends ErrorObject {
  readonly parentSchema?: {
    readonly title?: string;
    readonly enum?: readonly unknown[];
    readonly properties?: Readonly<Record<string, unknown>>;
  };
}

/**
 * Ajv's errors as places in the body or the query. A value that is none of several kinds is one fault, in the words of
 * the schema's title; a member that does not exist is named with the nearest one that does.
 */
function faultsOf(errors: readonly VerboseError[], part: string | undefined): Place[] {
  const faults = new Map<string, Place>();
  for (const error of withoutBranches(errors)) {
    const { pointer, detail } = faultOf(error);
    const place = part === 'querystring' ? { parameter: pointer.slice(1) } : { pointer };
    faults.set(`${pointer} ${detail}`, { ...place, detail });
  }
  return [...faults.values()];
}

/**
 * `errors` without what every branch of an `anyOf` has to say of the same value, which Ajv lists right before it: what is
 * wrong inside the value, if it is of a kind that one branch takes, or else the `anyOf` alone.
 */
function withoutBranches(errors: readonly VerboseError[]): VerboseError[] {
  const kept: VerboseError[] = [];
  for (const error of errors) {
    if (error.keyword !== 'anyOf') {
      kept.push(error);
      continue;
    }
    const { instancePath, parentSchema } = error;
    const isInside = (other: VerboseError): boolean =>
      other.instancePath.startsWith(`${instancePath}/`) || ['additionalProperties', 'required'].includes(other.keyword);
    const isOfBranch = (other: VerboseError): boolean =>
      other.instancePath === instancePath || other.instancePath.startsWith(`${instancePath}/`);
    const branches = kept.splice(kept.findLastIndex((other) => !isOfBranch(other)) + 1);
    const inside = parentSchema?.title ? [] : branches.filter(isInside);
    if (inside.length === 0) kept.push({ ...error, message: `must be ${alternatives(branches)}` });
    else for (const each of inside) kept.push(each);
  }
  return kept;
}

const alternatives = (branches: readonly VerboseError[]): string =>
  branches.map((branch) => faultOf(branch).detail.replace(/^must be /, '')).join(' or ');

function faultOf(error: VerboseError): { pointer: string; detail: string } {
  const { instancePath: pointer, keyword, params, parentSchema, message = 'is not valid' } = error;
  const parameters = params as Readonly<Record<string, unknown>>;
  const expected = parentSchema?.title;
  if (expected && keyword !== 'additionalProperties' && keyword !== 'required') {
    return { pointer, detail: `must be ${expected}` };
  }
  if (parentSchema?.enum) {
    return { pointer, detail: `must be one of ${parentSchema.enum.map((each) => JSON.stringify(each)).join(', ')}` };
  }
  switch (keyword) {
    case 'additionalProperties': {
      const key = String(parameters['additionalProperty']);
      const known = Object.keys(parentSchema?.properties ?? {});
      const nearest = known.length > 0 ? `; the nearest known is "${closest(key, known)}"` : '';
      return { pointer: member(pointer, key), detail: `no such member${nearest}` };
    }
    case 'required':
      return { pointer: member(pointer, String(parameters['missingProperty'])), detail: 'is required' };
    case 'const':
      return { pointer, detail: `must be ${JSON.stringify(parameters['allowedValue'])}` };
    default:
      return { pointer, detail: message };
  }
}
