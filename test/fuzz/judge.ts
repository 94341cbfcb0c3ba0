import { Ajv, type ValidateFunction } from 'ajv';
import type { FastifyInstance } from 'fastify';
import { SaxesParser } from 'saxes';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import { check } from '../../src/descriptor/check.ts';
import { tokens, valueAt } from '../../src/descriptor/pointer.ts';
import type { Descriptor } from '../../src/descriptor/schema.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { Reader } from '../../src/http/body.ts';
import { envelopeParts } from '../../src/http/envelope.ts';
import { parseHostProfiles } from '../../src/http/host-profiles.ts';
import { importAnswerOf } from '../../src/http/imports.ts';
import type { Item } from '../../src/http/item.ts';
import { invalidRequest, Problem, type ProblemBody } from '../../src/http/problems.ts';
import { namedSchemas, ref } from '../../src/http/schemas.ts';
import { validators } from '../../src/http/validation.ts';
import { type Entrance, type Input, isDocument } from './inputs.ts';

/** What came back; `lines` of a stream, each of which is JSON. */
export interface Answered {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const PATHS: Readonly<Record<Exclude<Entrance, 'host-profiles'>, string>> = {
  descriptor: '/v1/evaluations',
  'libvirt-xml': '/v1/evaluations',
  'qemu-argv': '/v1/evaluations',
  kubevirt: '/v1/evaluations',
  envelope: '/v1/evaluations',
  batch: '/v1/evaluations/batch',
  placements: '/v1/placements',
  simulations: '/v1/simulations',
  replays: '/v1/replays',
};

function urlOf({ entrance, query, isImport, isSearched }: Input & { entrance: keyof typeof PATHS }): string {
  if (isImport) return `/v1/imports${query}`;
  const path = PATHS[entrance];
  return path === '/v1/evaluations' && query === '' && !isSearched ? `${path}?remedies=false` : `${path}${query}`;
}

const compile = validators(namedSchemas());

/** A service without a port, and the same without HTTP. */
export class Service {
  readonly #app: FastifyInstance;
  readonly #isValid = compile({ schema: ref('Descriptor') });
  readonly #reader = new Reader(compile({ schema: envelopeParts }));

  private constructor(app: FastifyInstance) {
    this.#app = app;
  }

  static async start(): Promise<Service> {
    const app = await buildApp(readConfig({ QUEUE_DELAY_MS: '60000', HOST_PROFILES: 'test/fixtures/fuzz/hosts.yaml' }));
    await app.ready();
    return new Service(app);
  }

  stop(): Promise<void> {
    return this.#app.close();
  }

  /** What is answered over HTTP; host profiles come in as the service starts, and are read without it. */
  async ask(input: Input): Promise<Answered> {
    const { entrance } = input;
    if (entrance === 'host-profiles') return outcomeOf(() => profilesIn(input.bytes.toString()));
    const { statusCode, headers, payload } = await this.#app.inject({
      method: 'POST',
      url: urlOf({ ...input, entrance }),
      payload: input.bytes,
      headers: input.type === '' ? {} : { 'content-type': input.type },
    });
    return { status: statusCode, type: String(headers['content-type']).split(';', 1)[0] ?? '', text: payload };
  }

  /** What is answered to a document, by those who read and judge it alone; to everything else over HTTP. */
  async answer(input: Input): Promise<Answered> {
    if (input.query !== '' || !isDocument(input)) return this.ask(input);
    return outcomeOf(() => {
      const [item] = this.#reader.items(input.bytes.toString(), input.type, 'one') as [Item];
      const valid = this.#isValid(item.descriptor);
      const descriptor = item.descriptor as Descriptor;
      const places = valid === true ? check(descriptor) : valid.error.places;
      if (places.length > 0) throw invalidRequest(places.map(item.place));
      return input.isImport
        ? importAnswerOf(descriptor, item)
        : evaluate(descriptor, { notChecked: item.notes, decides: input.isSearched });
    });
  }
}

/** What comes of `answer`, or of the problem that it throws. */
function outcomeOf(answer: () => unknown): Answered {
  try {
    return { status: 200, type: 'application/json', text: JSON.stringify(answer()) };
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return { status: error.status, type: 'application/problem+json', text: JSON.stringify(error.body('', '')) };
  }
}

/** Profiles are read as the service starts: whatever is wrong with them is said in plain words. */
function profilesIn(text: string): unknown {
  try {
    return Object.fromEntries(parseHostProfiles(text));
  } catch (error) {
    if (Object.getPrototypeOf(error) !== Error.prototype) throw error;
    throw new Problem('invalid-request', (error as Error).message, [{ detail: (error as Error).message }]);
  }
}

/** Judges of answers that share nothing with the service but the published schemas. */
export class Judge {
  readonly #ajv = new Ajv({ schemas: namedSchemas(), discriminator: true });

  #schema(name: string): ValidateFunction {
    const schema = this.#ajv.getSchema(`${name}#`);
    if (!schema) throw new Error(`there is no schema ${name}`);
    return schema;
  }

  /** What is wrong with `answered`, or `null`; the shape of answers is looked at if `isThorough`. */
  fault(input: Input, answered: Answered, isThorough = true): string | null {
    const { status, type, text } = answered;
    if (status >= 500) return `answered with ${status}`;
    if (type === 'text/plain') return status === 200 ? null : `plain text with ${status}`;
    if (type === 'application/x-ndjson') return this.#streamFault(input, text, isThorough);
    const answer = JSON.parse(text) as unknown;
    if (status >= 400 && type === 'application/problem+json') return this.#problemFault(answer as ProblemBody, input);
    if (status !== 200 && status !== 409) return `answered with ${status}`;
    if (input.isBroken) return 'answered what was made to be unreadable';
    return this.#validityFault(input) ?? (isThorough ? this.#shapeFault(answerSchema(input), answer) : null);
  }

  #shapeFault(name: string, answer: unknown): string | null {
    if (name === '') return null;
    const schema = this.#schema(name);
    return schema(answer) ? null : `no ${name}: ${this.#ajv.errorsText(schema.errors)}`;
  }

  #problemFault(problem: ProblemBody, input: Input): string | null {
    const fault = this.#shapeFault('Problem', problem);
    if (fault) return fault;
    if (problem.status >= 500) return `a problem of ${problem.status}`;
    if (problem.type.endsWith('invalid-request') && problem.errors.length === 0) return 'a problem without a place';
    const text = input.bytes.toString();
    const lines = text.split(/\r\n|\r|\n/).length;
    for (const { pointer, parameter, line } of problem.errors) {
      if (line !== undefined && pointer === undefined && line > lines) return `line ${line} of ${lines}`;
      if (pointer !== undefined && parameter === undefined) {
        const lost = pointerFault(pointer, text, input);
        if (lost) return lost;
      }
    }
    return null;
  }

  #streamFault(input: Input, text: string, isThorough: boolean): string | null {
    const lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>);
    const shapes = LINES[input.entrance];
    if (shapes === undefined) return null;
    const totals = lines.pop();
    const fault = this.#shapeFault(shapes.totals, totals);
    if (fault) return fault;
    let last = 0;
    for (const line of lines) {
      if (Number(line['status'] ?? 0) >= 500) return `a line of ${JSON.stringify(line)}`;
      if (Number(line['line']) < last) return 'answers out of order';
      last = Number(line['line']);
      const name = 'status' in line ? 'BatchProblem' : shapes.answer;
      const wrong = isThorough ? this.#shapeFault(name, line) : null;
      if (wrong) return wrong;
    }
    return null;
  }

  /** Why `input`, which was answered, should not have been; as far as another reader can tell. */
  #validityFault({ entrance, bytes, type, isImport }: Input): string | null {
    const text = bytes.toString().replace(/^\uFEFF/, '');
    if (entrance === 'host-profiles' || LINES[entrance] !== undefined) return null;
    if (isXml(text, type)) return xmlFault(text);
    if (type !== 'application/json') return null;
    const json = parsed(text);
    if (json === undefined) return 'answered what is no JSON';
    if (typeof json !== 'object' || json === null || Array.isArray(json)) return null;
    const isPlain = !['import', 'qmp', 'apiVersion'].some((key) => Object.hasOwn(json, key));
    const name = { placements: 'PlacementRequest', simulations: 'Simulation' }[entrance as string] ?? 'Descriptor';
    const schema = this.#schema(isPlain || isImport === undefined ? name : 'Envelope');
    if (!isPlain) return Object.hasOwn(json, 'import') && entrance === 'envelope' ? this.#overlayFault(json) : null;
    return schema(json) ? null : `answered what is no ${name}: ${this.#ajv.errorsText(schema.errors)}`;
  }

  #overlayFault(json: object): string | null {
    const schema = this.#schema('Envelope');
    return schema(json) || Object.hasOwn(json, 'apiVersion')
      ? null
      : `answered what is no Envelope: ${this.#ajv.errorsText(schema.errors)}`;
  }
}

/** What the lines of a stream are, but for those that say what is wrong, and the last. */
const LINES: Readonly<Partial<Record<Entrance, { readonly answer: string; readonly totals: string }>>> = {
  batch: { answer: 'BatchDecision', totals: 'BatchTotals' },
  replays: { answer: 'ReplayedDecision', totals: 'ReplayTotals' },
};

const answerSchema = ({ entrance, isImport }: Input): string => {
  if (entrance === 'host-profiles') return '';
  if (isImport) return 'ImportAnswer';
  return { placements: 'Placements', simulations: 'Trace', batch: 'Batch' }[entrance as string] ?? 'Decision';
};

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const isXml = (text: string, type: string): boolean =>
  type === 'application/xml' || type === 'text/xml' || /^\s*</.test(text);

/** Why `text` is no well-formed XML. */
function xmlFault(text: string): string | null {
  const parser = new SaxesParser();
  let fault: string | null = null;
  parser.on('error', (error) => (fault ??= `answered XML that is not well-formed: ${error.message}`));
  parser.on('doctype', () => (fault ??= 'answered XML with a document type'));
  parser.write(text).close();
  return fault;
}

/** A pointer leads to something in the body, or to where it is missing. */
function pointerFault(pointer: string, text: string, { entrance }: Input): string | null {
  if (pointer !== '' && !pointer.startsWith('/')) return `${pointer} is no JSON Pointer`;
  if (/~(?![01])/.test(pointer)) return `${pointer} is no JSON Pointer`;
  const json = parsed(text.replace(/^\uFEFF/, ''));
  if (entrance !== 'descriptor' || json === undefined || pointer === '') return null;
  const parent = pointer.slice(0, pointer.lastIndexOf('/'));
  const isThere = valueAt(json, parent) !== undefined;
  return isThere || tokens(pointer).length < 2 ? null : `${pointer} leads nowhere`;
}
