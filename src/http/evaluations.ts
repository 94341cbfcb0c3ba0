import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { DecisionLog } from '../decision-log/decision-log.ts';
import type { Decision } from '../evaluation/decision.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { decisionText } from '../report/decision-text.ts';
import {
  type Answered,
  type Answers,
  contextFor,
  decisionIdOf,
  decisionJson,
  filled,
  type Wish,
  worded,
} from './answers.ts';
import { mayBeDescriptor, type Reader } from './body.ts';
import { color, format, inkOf, jsonOrText, wantsText } from './format.ts';
import { hostParameters, type HostQuery, withHosts } from './host-facts.ts';
import type { HostProfiles } from './host-profiles.ts';
import { type Policies, policyParameter, type PolicyQuery, type Site } from './policies.ts';
import { emptyBody, problemAnswer } from './problems.ts';
import { askedIn } from './remembering.ts';
import { type JsonSchema, ref } from './schemas.ts';
import { profilesUnder, underSite } from './site-defaults.ts';
import type { Compile } from './validation.ts';
import { verdictList } from './verdict-list.ts';

type Query = HostQuery &
  PolicyQuery & {
    readonly include?: 'clear';
    readonly remedies?: 'true' | 'false';
    readonly 'fail-on'?: string;
    readonly format?: 'json' | 'text';
    readonly color?: 'always' | 'never';
  };

const querystring = {
  type: 'object',
  properties: {
    ...hostParameters,
    ...policyParameter,
    include: { type: 'string', enum: ['clear'], description: 'List the rules that do not fire, too.' },
    remedies: { type: 'string', enum: ['true', 'false'], description: 'Whether to look for remedies. Default: true.' },
    'fail-on': verdictList('Verdicts that are answered with 409, for scripts: the body is the same.', 'blocked,unsafe'),
    format,
    color,
  },
  additionalProperties: false,
};

/** Where decisions come from, and who is told of them. */
export interface Judging {
  readonly answers: Answers;
  readonly profiles: HostProfiles;
  readonly policies: Policies;
  readonly decisionLog: DecisionLog | null;
  readonly metrics: Metrics;
}

type Asking = FastifyRequest<{ Querystring: Query; Body: string | undefined }>;

/** `POST /v1/evaluations`: one VM, one decision. */
export function evaluations(app: FastifyInstance, reader: Reader, compile: Compile, judging: Judging): void {
  void app.register((scope, _options, done) => {
    // What was asked before need not be read again.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, next) => next(null, body));
    scope.post<{ Querystring: Query; Body: string | undefined }>(
      '/v1/evaluations',
      {
        // A body is judged once it was read as a descriptor.
        validatorCompiler: ({ schema, httpPart }) =>
          httpPart === 'body' ? () => true : compile({ schema: schema as JsonSchema, httpPart }),
        schema: {
          operationId: 'evaluate',
          summary: 'Can this VM be migrated, what refuses it, and what would DMA unmaps cost?',
          description: 'A verdict is data: `blocked` is answered with 200, unless `fail-on` asks for 409.',
          tags: ['evaluation'],
          querystring,
          body: ref('Descriptor'),
          response: {
            200: jsonOrText('The decision.', ref('Decision')),
            409: jsonOrText('The decision, of a verdict that `fail-on` names.', ref('Decision')),
            '4xx': problemAnswer,
          },
        },
      },
      (request, reply) => {
        const { metrics, decisionLog, policies } = judging;
        const { query } = request;
        const answered = answer(request, reader, judging, policies.for(query));
        const decisionId = decisionIdOf(answered);
        const { figures, hasReasons, record, seconds } = answered.answer;
        if (answered.isNew) metrics.observeEvaluation(decisionId, seconds);
        metrics.observeFigures(figures, decisionId);
        if (hasReasons) metrics.observeAgreement(figures);
        if (record && decisionLog?.wants(decisionId)) {
          decisionLog.write(askedIn(request), decisionId, filled(record, answered.names));
        }
        void reply.headers({
          'preflight-verdict': figures.verdict,
          'preflight-decision-id': decisionId,
          vary: 'accept',
        });
        if (query['fail-on']?.split(',').includes(figures.verdict)) void reply.code(409);
        const json = decisionJson(answered, decisionId);
        if (!wantsText(request)) return reply.type('application/json; charset=utf-8').send(json);
        const text = decisionText(JSON.parse(json) as Decision, inkOf(query.color));
        return reply.type('text/plain; charset=utf-8').send(text);
      },
    );
    done();
  });
}

function answer(request: Asking, reader: Reader, { answers, profiles }: Judging, site: Site): Answered {
  const { query, body, headers } = request;
  const type = headers['content-type'] ?? '';
  const wish: Wish = { remedies: query.remedies !== 'false', decides: true, includeClear: query.include === 'clear' };
  const context = contextFor(wish, query, site);
  const json = body !== undefined && mayBeDescriptor(type) ? worded(body, context) : null;
  const known = json && answers.known(json);
  if (known) return known;
  const [sent] = reader.items(body ?? '', type, 'one');
  if (!sent) throw emptyBody();
  request.item = sent;
  return answers.of(underSite(withHosts(sent, query, profilesUnder(site, profiles)), site), wish, json);
}
