import type { FastifyInstance } from 'fastify';
import type { Asked } from '../decision-log/decision-log.ts';
import { type Line, linesIn } from './lines.ts';
import { type Policies, policyParameter, type PolicyQuery } from './policies.ts';
import { internalError, Problem, problemAnswer } from './problems.ts';
import { askedIn } from './remembering.ts';
import { Replaying, type Shapes } from './replaying.ts';
import { ref } from './schemas.ts';
import { Sheet } from './sheet.ts';
import { type Answering, arriving, asItArrives, NDJSON, streamed } from './streaming.ts';

/** Answers the lines of a decision log: with a line for each that is decided otherwise now, or wrong, and the totals. */
export class ReplayAnswers implements Answering<Line> {
  readonly #replaying: Replaying;
  readonly #asked: Asked;
  readonly #failed: (error: unknown) => void;
  readonly #sheet = new Sheet();

  /** `failed` is told of errors that are the service's own. */
  constructor(replaying: Replaying, asked: Asked, failed: (error: unknown) => void) {
    this.#replaying = replaying;
    this.#asked = asked;
    this.#failed = failed;
  }

  get size(): number {
    return this.#sheet.length;
  }

  add(line: Line): void {
    try {
      const changed = this.#replaying.add(line);
      if (changed) this.#write(changed);
    } catch (error) {
      if (!(error instanceof Problem)) this.#failed(error);
      const problem = error instanceof Problem ? error : internalError();
      this.#write({ line: line.number, ...problem.inLine(this.#asked.requestId, this.#asked.traceId) });
    }
  }

  take(): Buffer {
    return this.#sheet.take();
  }

  end(complete: boolean): Buffer {
    this.#write({ totals: this.#replaying.totals(complete) });
    return this.take();
  }

  /** Replays do not count as decisions. */
  report(): void {}

  #write(answer: object): void {
    this.#sheet.write(`${JSON.stringify(answer)}\n`);
  }
}

/** `POST /v1/replays`: logged decisions, decided again as the service would now. */
export function replays(app: FastifyInstance, shapes: Shapes, policies: Policies): void {
  asItArrives(app, (scope) => {
    scope.post<{ Querystring: PolicyQuery }>(
      '/v1/replays',
      {
        config: { mayTakeLong: true },
        schema: {
          operationId: 'replay',
          summary: 'Which of these decisions would be others now?',
          description:
            'Lines of the decision log are decided again, with the ruleset and the policy in force. Each that comes out ' +
            'otherwise is answered with what changes, each that cannot be decided again with what is wrong with it, in ' +
            'their order and while others arrive; the last line has the totals. Nothing of it counts in the metrics of ' +
            'decisions, or is logged as one.',
          tags: ['evaluation'],
          querystring: { type: 'object', properties: policyParameter, additionalProperties: false },
          response: {
            200: {
              description: 'A line for each decision that changes, or is wrong, and the totals.',
              content: {
                [NDJSON]: { schema: { anyOf: ['ReplayedDecision', 'BatchProblem', 'ReplayTotals'].map(ref) } },
              },
            },
            '4xx': problemAnswer,
          },
        },
      },
      async (request, reply) => {
        const { untilDraining, isCut } = await arriving(request, reply);
        // A line is longer than its descriptor, which has to fit into a body.
        const limit = 2 * (app.initialConfig.bodyLimit ?? 0);
        const answers = new ReplayAnswers(new Replaying(shapes, policies.for(request.query)), askedIn(request), (err) =>
          request.log.error({ err, url: request.url }, 'a line of a replay failed'),
        );
        return reply.type(NDJSON).send(streamed(request, reply, linesIn(untilDraining(), limit), answers, isCut));
      },
    );
  });
}
