import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import {
  arrayFrame,
  BatchAnswers,
  type BatchQuery,
  CHUNK,
  type Frame,
  type Judges,
  lineFrame,
  type Sent,
} from './batch-answers.ts';
import { ITEMS_MAX } from './batch-schema.ts';
import { type Reader, readJson } from './body.ts';
import { exemptFromTimeout } from './errors.ts';
import { hostParameters, type HostQuery } from './host-facts.ts';
import { Lines } from './lines.ts';
import { isObject } from './overlay.ts';
import { invalidRequest, Problem, problemAnswer } from './problems.ts';
import { ref } from './schemas.ts';
import { traceIdOf } from './tracing.ts';
import { Turns } from './turns.ts';
import { verdictList } from './verdict-list.ts';

type Query = HostQuery & {
  readonly only?: string;
  readonly summary?: 'true' | 'false';
  readonly remedies?: 'true' | 'false';
};

const flag = (description: string): object => ({ type: 'string', enum: ['true', 'false'], description });

const querystring = {
  type: 'object',
  properties: {
    ...hostParameters,
    only: verdictList(
      'Verdicts that are listed, beside errors; the totals count all. Default: all.',
      'blocked,risky,unknown',
    ),
    summary: flag('Whether to answer each VM in short: address, verdict, cause and one sentence. Default: false.'),
    remedies: flag(
      'Whether to look for remedies, and for what each value of a missing fact decides, which takes many times as long. ' +
        'Default: false.',
    ),
  },
  additionalProperties: false,
};

const NDJSON = 'application/x-ndjson';

/** How long a client that still sends is let read the end of an answer. */
const LINGER_MS = 1000;

/** `POST /v1/evaluations/batch`: many VMs, a decision each, while they arrive. */
export function batch(app: FastifyInstance, reader: Reader, judges: Omit<Judges, 'failed'>): void {
  void app.register((scope, _options, done) => {
    // The body is read line by line as it arrives.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _body, next) => next(null));
    scope.post<{ Querystring: Query }>(
      '/v1/evaluations/batch',
      {
        config: { mayTakeLong: true },
        schema: {
          operationId: 'evaluateBatch',
          summary: 'Which VMs of a fleet can be migrated, and what refuses the others?',
          description:
            'One item a line: a descriptor, an envelope, a QEMU command line, or a document as a JSON string; each is answered ' +
            'in its order and while others arrive, so read the answers while you send. An item that is wrong is answered with ' +
            'what is wrong with it, one that holds several VMs with a line each, and the last line has the totals. A JSON ' +
            `array of up to ${ITEMS_MAX} items is answered with one object.`,
          tags: ['evaluation'],
          querystring,
          response: {
            200: {
              description: 'A line for each VM, and the totals.',
              content: {
                [NDJSON]: {
                  schema: { anyOf: ['BatchDecision', 'BatchSummary', 'BatchProblem', 'BatchTotals'].map(ref) },
                },
                'application/json': { schema: ref('Batch') },
              },
            },
            '4xx': problemAnswer,
          },
        },
      },
      async (request, reply) => {
        const failed = (err: unknown): void =>
          request.log.error({ err, url: request.url }, 'an item of a batch failed');
        exemptFromTimeout(request, reply);
        const { frame, items } = await open(request, reader);
        const answers = new BatchAnswers({ ...judges, failed }, queryOf(request.query), frame, {
          requestId: request.id,
          traceId: traceIdOf(request.headers['traceparent'], request.id),
        });
        const isGone = (): boolean => reply.raw.destroyed;
        reply.raw.once('finish', () => letSendOn(request));
        return reply
          .type(frame === lineFrame ? NDJSON : 'application/json; charset=utf-8')
          .send(Readable.from(answered(items, answers, isGone, app.lifecycle), { objectMode: false }));
      },
    );
    done();
  });
}

const queryOf = ({ only, summary, remedies, ...hosts }: Query): BatchQuery => ({
  ...hosts,
  only: only === undefined ? null : new Set(only.split(',')),
  summary: summary === 'true',
  remedies: remedies === 'true',
});

/** A service that stops ends the answer before the request has ended, whose rest would be lost with the connection. */
function letSendOn({ raw }: FastifyRequest): void {
  if (raw.complete) return;
  raw.resume();
  setTimeout(() => raw.destroy(), LINGER_MS).unref();
}

/** The answers to `items`, whose reader sets the pace; no more are made once it is gone, or the service stops. */
async function* answered(
  items: AsyncIterable<Iterable<Sent>>,
  answers: BatchAnswers,
  isGone: () => boolean,
  lifecycle: { readonly draining: boolean },
): AsyncGenerator<Buffer> {
  const turns = new Turns();
  try {
    for await (const some of items) {
      for (const sent of some) {
        answers.add(sent);
        if (answers.size >= CHUNK) yield answers.take();
        if (!turns.isOver) continue;
        if (answers.size > 0) yield answers.take();
        await turns.next();
        if (isGone()) return;
        if (lifecycle.draining) return yield answers.end(false);
      }
      if (answers.size > 0) yield answers.take();
    }
    yield answers.end(true);
  } finally {
    // What was decided counts, whoever is still there to read it.
    answers.report();
  }
}

interface Opened {
  readonly frame: Frame;
  readonly items: AsyncIterable<Iterable<Sent>>;
}

/** The items in the body of `request`: lines, or an array if it begins as one. */
async function open(request: FastifyRequest, reader: Reader): Promise<Opened> {
  const { 'content-encoding': encoding = 'identity', 'content-type': type = '' } = request.headers;
  if (encoding !== 'identity') {
    throw new Problem('unsupported-media-type', `a body encoded as ${encoding} is not read: send it as it is`);
  }
  // Whoever stops to read before the end may still want to answer.
  const chunks = request.raw.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer, undefined>;
  const first = await chunks.next();
  const begins = first.done ? '' : first.value.toString('utf8', 0, 64);
  const limit = request.server.initialConfig.bodyLimit ?? 0;
  const all = withFirst(first, chunks);
  if (!isArray(begins, type)) return { frame: lineFrame, items: lineItems(all, reader, limit) };
  return { frame: arrayFrame, items: arrayItems(await readArray(all, limit), reader) };
}

/** What begins with a bracket may also be the arguments of a QEMU command. */
const isArray = (begins: string, type: string): boolean =>
  /^\uFEFF?\s*\[\s*[{\]]/.test(begins) || (/^\uFEFF?\s*\[/.test(begins) && /^application\/json\b/.test(type));

async function* withFirst(
  first: IteratorResult<Buffer, undefined>,
  rest: AsyncIterator<Buffer, undefined>,
): AsyncGenerator<Buffer> {
  let next = first;
  while (!next.done) {
    yield next.value;
    next = await rest.next();
  }
}

/** @throws Problem unless it is an array, and not too large a one. */
async function readArray(chunks: AsyncIterable<Buffer>, limit: number): Promise<readonly unknown[]> {
  const read: Buffer[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    length += chunk.length;
    if (length > limit) {
      throw new Problem('body-too-large', `the array has more than ${limit} bytes; there may be any number of lines`);
    }
    read.push(chunk);
  }
  const items = readJson(
    Buffer.concat(read)
      .toString('utf8')
      .replace(/^\uFEFF/, ''),
  );
  if (!Array.isArray(items)) throw invalidRequest([{ pointer: '', detail: 'must be array' }]);
  if (items.length > ITEMS_MAX) {
    throw new Problem('body-too-large', `the array has more than ${ITEMS_MAX} items; there may be any number of lines`);
  }
  return items;
}

async function* lineItems(
  chunks: AsyncIterable<Buffer>,
  reader: Reader,
  limit: number,
): AsyncGenerator<Iterable<Sent>> {
  const lines = new Lines(limit);
  const items = function* (read: Iterable<{ number: number; text: string | null }>): Generator<Sent> {
    for (const { number, text } of read)
      if (text === null || text.trim() !== '') yield lineItem(number, text, reader, limit);
  };
  for await (const chunk of chunks) yield items(lines.in(chunk));
  yield items(lines.rest());
}

const lineItem = (line: number, text: string | null, reader: Reader, limit: number): Sent => ({
  place: { line },
  json: text,
  read: () => {
    if (text === null) throw new Problem('line-too-long', `line ${line} has more than ${limit} bytes`);
    return reader.items(text, '', 'any');
  },
  ref: () => refIn(parsed(text ?? '')),
});

async function* arrayItems(items: readonly unknown[], reader: Reader): AsyncGenerator<Iterable<Sent>> {
  yield items.map((item, index) => ({
    place: { index },
    json: null,
    read: () => reader.itemsIn(item, 'any'),
    ref: () => refIn(item),
  }));
}

const refIn = (item: unknown): string | undefined =>
  isObject(item) && typeof item['ref'] === 'string' ? item['ref'] : undefined;

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
