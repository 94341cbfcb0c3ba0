import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { exemptFromTimeout } from './errors.ts';
import { Problem } from './problems.ts';
import { Turns } from './turns.ts';

/** Requests that are answered while they arrive, for as long as they do. */

export const NDJSON = 'application/x-ndjson';

/** Bytes of answers that are best sent at once. */
export const CHUNK = 1 << 18;

/** How long a client that still sends is let read the end of an answer. */
const LINGER_MS = 1000;

/** Has `route` declare routes whose bodies are read as they arrive. */
export function asItArrives(app: FastifyInstance, route: (scope: FastifyInstance) => void): void {
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _body, next) => next(null));
    route(scope);
    done();
  });
}

/** The body of a request, as it arrives. */
interface Arriving {
  /** Its first bytes. */
  readonly begins: string;
  /** All of it. */
  readonly whole: () => AsyncGenerator<Buffer>;
  /** What of it arrives before the service stops. */
  readonly untilDraining: () => AsyncGenerator<Buffer>;
  /** Whether some of it is not read any more. */
  readonly isCut: () => boolean;
}

/**
 * What arrives with `request`, which may take as long as it does.
 * @throws Problem if it is compressed.
 */
export async function arriving(request: FastifyRequest, reply: FastifyReply): Promise<Arriving> {
  exemptFromTimeout(request, reply);
  const { 'content-encoding': encoding = 'identity' } = request.headers;
  if (encoding !== 'identity') {
    throw new Problem('unsupported-media-type', `a body encoded as ${encoding} is not read: send it as it is`);
  }
  // Whoever stops to read before the end may still want to answer.
  const chunks = request.raw.iterator({ destroyOnReturn: false }) as AsyncIterator<Buffer, undefined>;
  let isCut = false;
  const next = async (): Promise<IteratorResult<Buffer, undefined>> => {
    const coming = chunks.next();
    // What has arrived already need not be waited for.
    const read = await (request.raw.complete ? coming : request.server.lifecycle.unlessDraining(coming));
    isCut ||= read === null;
    return read ?? { done: true, value: undefined };
  };
  const first = await next();
  return {
    begins: first.done ? '' : first.value.toString('utf8', 0, 64),
    whole: () => withFirst(first, () => chunks.next()),
    untilDraining: () => withFirst(first, next),
    isCut: () => isCut,
  };
}

async function* withFirst(
  first: IteratorResult<Buffer, undefined>,
  rest: () => Promise<IteratorResult<Buffer, undefined>>,
): AsyncGenerator<Buffer> {
  let next = first;
  while (!next.done) {
    yield next.value;
    next = await rest();
  }
}

/** Answers items one by one. */
export interface Answering<Item> {
  /** Bytes of answers that were not taken. */
  readonly size: number;
  readonly add: (item: Item) => void;
  /** The answers since they were last taken. */
  readonly take: () => Buffer;
  /** The rest of the answers, and what stands at their end; `complete` unless items were left unread. */
  readonly end: (complete: boolean) => Buffer;
  /** The answers end, whether or not somebody is still there to read them. */
  readonly report: () => void;
}

/**
 * The answers to the `items` of `request`, whose reader sets the pace; no more are made once it is gone, or the service
 * stops. `isCut` says whether items that were still to come are not read any more.
 */
export function streamed<Item>(
  request: FastifyRequest,
  reply: FastifyReply,
  items: AsyncIterable<Iterable<Item>>,
  answers: Answering<Item>,
  isCut: () => boolean,
): Readable {
  reply.raw.once('finish', () => letSendOn(request));
  const states = { isGone: () => reply.raw.destroyed, isStopping: () => request.server.lifecycle.draining, isCut };
  return Readable.from(answered(items, answers, states), { objectMode: false });
}

/** A service that stops ends the answer before the request has ended, whose rest would be lost with the connection. */
function letSendOn({ raw }: FastifyRequest): void {
  if (raw.complete) return;
  raw.resume();
  setTimeout(() => raw.destroy(), LINGER_MS).unref();
}

/** What may end the answers early. */
interface States {
  readonly isGone: () => boolean;
  readonly isStopping: () => boolean;
  readonly isCut: () => boolean;
}

async function* answered<Item>(
  items: AsyncIterable<Iterable<Item>>,
  answers: Answering<Item>,
  { isGone, isStopping, isCut }: States,
): AsyncGenerator<Buffer> {
  const turns = new Turns();
  try {
    for await (const some of items) {
      for (const sent of some) {
        if (turns.isOver) {
          if (answers.size > 0) yield answers.take();
          await turns.next();
          if (isGone()) return;
        }
        answers.add(sent);
        if (answers.size >= CHUNK) yield answers.take();
        if (turns.isOver && isStopping()) return yield answers.end(false);
      }
      if (answers.size > 0) yield answers.take();
    }
    yield answers.end(!isCut());
  } finally {
    // What was decided counts, whoever is still there to read it.
    answers.report();
  }
}
