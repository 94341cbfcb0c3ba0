import * as z from 'zod';

/** Every error that the service answers with (RFC 9457), by the last part of its `type`. */
const problemTypes = {
  'invalid-request': { status: 400, title: 'The request is not valid' },
  'malformed-json': { status: 400, title: 'The body is not JSON' },
  'malformed-xml': { status: 400, title: 'The body is not a libvirt domain' },
  'malformed-argv': { status: 400, title: 'The body is not a QEMU command line' },
  'malformed-kubevirt': { status: 400, title: 'The body is not a virtual machine of KubeVirt' },
  'empty-body': { status: 400, title: 'The body is empty' },
  'bad-request': { status: 400, title: 'The request could not be read' },
  unauthorized: { status: 401, title: 'Who asks is not known' },
  forbidden: { status: 403, title: 'Who asks may not ask this' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'method-not-allowed': { status: 405, title: 'This resource does not take this method' },
  'request-timeout': { status: 408, title: 'The request took too long to arrive' },
  'line-too-long': { status: 413, title: 'The line is too long' },
  'body-too-large': { status: 413, title: 'The body is too large' },
  'unsupported-media-type': { status: 415, title: 'The body is of no type that is understood here' },
  'too-many-requests': { status: 429, title: 'Who asks has too many requests under way' },
  'headers-too-large': { status: 431, title: 'The headers are too large' },
  'internal-error': { status: 500, title: 'The service failed' },
  overloaded: { status: 503, title: 'The service has too much to answer' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemType = keyof typeof problemTypes;

const place = z
  .strictObject({
    pointer: z.string().optional().describe('JSON Pointer into the body.'),
    parameter: z.string().optional().describe('Query parameter.'),
    line: z.int().min(1).optional(),
    column: z.int().min(1).optional(),
    detail: z.string(),
  })
  .meta({ id: 'Fault', description: 'One thing that is wrong, and where.' });

export const problem = z
  .strictObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string().describe('The request id.'),
    traceId: z.string().describe('The trace that the request belongs to (W3C Trace Context).'),
    errors: z.array(place),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details.' });

/** How the document shows a problem. */
export const problemAnswer = {
  description: 'What is wrong, and where.',
  content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
};

export type Place = z.infer<typeof place>;
export type ProblemBody = z.infer<typeof problem>;

/** Faults beyond this many are counted, not listed. */
const FAULTS_MAX = 100;

/** An answer that is an error. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly type: ProblemType;
  readonly places: readonly Place[];

  constructor(type: ProblemType, detail: string, places: readonly Place[] = []) {
    super(detail);
    this.type = type;
    this.places = places;
  }

  get status(): number {
    return problemTypes[this.type].status;
  }

  /** The body of the answer to the request called `instance`, a part of the trace `traceId`. */
  body(instance: string, traceId: string): ProblemBody {
    const { status, title } = problemTypes[this.type];
    const errors = this.places.slice(0, FAULTS_MAX);
    const type = `urn:migration-preflight:problem:${this.type}`;
    return { type, title, status, detail: this.message, instance, traceId, errors };
  }

  /** The same of one line of many, which has but that line; what is in a document has its own. */
  inLine(instance: string, traceId: string): ProblemBody {
    const { errors, ...body } = this.body(instance, traceId);
    return {
      ...body,
      errors: errors.map(({ line, ...where }) =>
        where.pointer !== undefined && line !== undefined ? { line, ...where } : where,
      ),
    };
  }
}

/** The request is wrong in these places. */
export function invalidRequest(places: readonly Place[]): Problem {
  const [first] = places;
  const where = first?.pointer ?? first?.parameter ?? '';
  const more = places.length > 1 ? ` (${places.length} faults)` : '';
  return new Problem('invalid-request', `${where ? `${where}: ` : ''}${first?.detail ?? 'not valid'}${more}`, places);
}

/** What went wrong is told in the log, not in the answer. */
export const internalError = (): Problem =>
  new Problem('internal-error', 'the service failed; its log has the request id');

export const emptyBody = (): Problem =>
  new Problem('empty-body', 'send a JSON descriptor, a libvirt domain XML, a QEMU command line or a KubeVirt object');
