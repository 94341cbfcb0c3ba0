import { closest } from 'fastest-levenshtein';
import type { FastifySchemaValidationError } from 'fastify';
import { member } from '../descriptor/pointer.ts';
import type { Place } from './problems.ts';

/** What Ajv adds to an error when it is told to be verbose. */
interface VerboseError extends FastifySchemaValidationError {
  readonly parentSchema?: {
    readonly title?: string;
    readonly properties?: Readonly<Record<string, unknown>>;
    readonly anyOf?: readonly { readonly type?: string; readonly $ref?: string }[];
  };
}

/**
 * Ajv's errors as places in the body or the query. A value that is none of several kinds is one fault, in the words of
 * the schema's title; a member that does not exist is named with the nearest one that does.
 */
export function faultsOf(errors: readonly FastifySchemaValidationError[], context: string | undefined): Place[] {
  const faults = new Map<string, Place>();
  for (const error of withoutBranches(errors)) {
    const { pointer, detail } = faultOf(error);
    const place = context === 'querystring' ? { parameter: pointer.slice(1) } : { pointer };
    faults.set(`${pointer} ${detail}`, { ...place, detail });
  }
  return [...faults.values()];
}

/**
 * `errors` without what every branch of an `anyOf` has to say of the same value: what is wrong inside it, if the value is
 * of a kind that one branch takes, or else the `anyOf` alone.
 */
function withoutBranches(errors: readonly VerboseError[]): VerboseError[] {
  let kept = [...errors];
  for (const { instancePath, keyword, parentSchema } of errors) {
    if (keyword !== 'anyOf') continue;
    const isInside = (error: VerboseError): boolean =>
      error.instancePath.startsWith(`${instancePath}/`) ||
      (error.instancePath === instancePath && ['additionalProperties', 'required'].includes(error.keyword));
    const hasInside = !parentSchema?.title && kept.some(isInside);
    kept = kept.filter((error) => {
      if (error.instancePath !== instancePath) return hasInside || !isInside(error);
      return hasInside ? isInside(error) : error.keyword === 'anyOf';
    });
  }
  return kept;
}

function faultOf(error: VerboseError): { pointer: string; detail: string } {
  const { instancePath: pointer, keyword, params, parentSchema, message = 'is not valid' } = error;
  const parameters = params as Readonly<Record<string, unknown>>;
  const expected = parentSchema?.title;
  if (expected && keyword !== 'additionalProperties' && keyword !== 'required') {
    return { pointer, detail: `must be ${expected}` };
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
    case 'enum':
      return {
        pointer,
        detail: `must be one of ${(parameters['allowedValues'] as unknown[]).map((v) => JSON.stringify(v)).join(', ')}`,
      };
    case 'anyOf':
      return {
        pointer,
        detail: `must be ${(parentSchema?.anyOf ?? []).map(({ type, $ref }) => type ?? $ref).join(' or ')}`,
      };
    default:
      return { pointer, detail: message };
  }
}
