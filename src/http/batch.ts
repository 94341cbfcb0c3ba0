import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Metrics } from '../metrics/metrics.ts';
import {
  arrayFrame,
  BatchAnswers,
  type BatchQuery,
  type Frame,
  type Judges,
  lineFrame,
  type Sent,
} from './batch-answers.ts';
import { ITEMS_MAX } from './batch-schema.ts';
import { type Reader, readJson } from './body.ts';
import { hostParameters, type HostQuery } from './host-facts.ts';
import { type Line, linesIn } from './lines.ts';
import { isObject } from '../descriptor/json-object.ts';
import { type Policies, policyParameter, type PolicyQuery } from './policies.ts';
import { invalidRequest, Problem, problemAnswer } from './problems.ts';
import { askedIn } from './remembering.ts';
import { ref } from './schemas.ts';
import { arriving, asItArrives, NDJSON, streamed } from './streaming.ts';
import { verdictList } from './verdict-list.ts';

type Query = HostQuery &
  PolicyQuery & {
    readonly only?: string;
    readonly summary?: 'true' | 'false';
    readonly remedies?: 'true' | 'false';
  };

const flag = (description: string): object => ({ type: 'string', enum: ['true', 'false'], description });

const querystring = {
  type: 'object',
  properties: {
    ...hostParameters,
    ...policyParameter,
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

/** Where answers come from, and who is told of them and of items that the service fails to judge. */
type Judging = Omit<Judges, 'failed' | 'site'> & {
  readonly metrics: Pick<Metrics, 'observeFailedItem'>;
  readonly policies: Policies;
};

/** `POST /v1/evaluations/batch`: many VMs, a decision each, while they arrive. */
export function batch(app: FastifyInstance, reader: Reader, judges: Judging): void {
  asItArrives(app, (scope) => {
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
        const failed = (err: unknown): void => {
          judges.metrics.observeFailedItem();
          request.log.error({ err, url: request.url }, 'an item of a batch failed');
        };
        const { frame, items, isCut } = await open(request, reply, reader);
        // However long it takes, a batch is answered by what was in force as it began.
        const all = { ...judges, failed, site: judges.policies.for(request.query) };
        const answers = new BatchAnswers(all, queryOf(request.query), frame, askedIn(request));
        return reply
          .type(frame === lineFrame ? NDJSON : 'application/json; charset=utf-8')
          .send(streamed(request, reply, items, answers, isCut));
      },
    );
  });
}

const queryOf = ({ only, summary, remedies, policy: _policy, ...hosts }: Query): BatchQuery => ({
  ...hosts,
  only: only === undefined ? null : new Set(only.split(',')),
  summary: summary === 'true',
  remedies: remedies === 'true',
});

interface Opened {
  readonly frame: Frame;
  readonly items: AsyncIterable<Iterable<Sent>>;
  readonly isCut: () => boolean;
}

/** The items in the body of `request`: lines, or an array if it begins as one. */
async function open(request: FastifyRequest, reply: FastifyReply, reader: Reader): Promise<Opened> {
  const { begins, whole, untilDraining, isCut } = await arriving(request, reply);
  const limit = request.server.initialConfig.bodyLimit ?? 0;
  if (isArray(begins, request.headers['content-type'] ?? '')) {
    return { frame: arrayFrame, items: arrayItems(await readArray(whole(), limit), reader), isCut };
  }
  return { frame: lineFrame, items: lineItems(linesIn(untilDraining(), limit), reader, limit), isCut };
}

/** What begins with a bracket may also be the arguments of a QEMU command. */
const isArray = (begins: string, type: string): boolean =>
  /^\uFEFF?\s*\[\s*[{\]]/.test(begins) || (/^\uFEFF?\s*\[/.test(begins) && /^application\/json\b/.test(type));

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
  sent: AsyncIterable<Iterable<Line>>,
  reader: Reader,
  limit: number,
): AsyncGenerator<Iterable<Sent>> {
  const items = function* (lines: Iterable<Line>): Generator<Sent> {
    for (const line of lines) yield lineItem(line, reader, limit);
  };
  for await (const lines of sent) yield items(lines);
}

const lineItem = ({ number: line, text }: Line, reader: Reader, limit: number): Sent => ({
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
