import type { FastifyInstance } from 'fastify';
import { check } from '../descriptor/check.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { withRemedies } from '../evaluation/remedies.ts';
import type { Metrics } from '../metrics/metrics.ts';
import { decisionText } from '../report/decision-text.ts';
import { color, format, inkOf, jsonOrText, sendAs } from './format.ts';
import { addHosts, hostParameters, type HostQuery } from './host-facts.ts';
import type { HostProfiles } from './host-profiles.ts';
import { invalidRequest, problemAnswer } from './problems.ts';
import { ref } from './schemas.ts';
import { verdictList } from './verdict-list.ts';

type Query = HostQuery & {
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
    include: { type: 'string', enum: ['clear'], description: 'List the rules that do not fire, too.' },
    remedies: { type: 'string', enum: ['true', 'false'], description: 'Whether to look for remedies. Default: true.' },
    'fail-on': verdictList('Verdicts that are answered with 409, for scripts: the body is the same.', 'blocked,unsafe'),
    format,
    color,
  },
  additionalProperties: false,
};

/** `POST /v1/evaluations`: one VM, one decision. */
export function evaluations(app: FastifyInstance, metrics: Metrics, profiles: HostProfiles): void {
  app.post<{ Body: Descriptor; Querystring: Query }>(
    '/v1/evaluations',
    {
      preValidation: async (request) => addHosts(request, request.query, profiles),
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
      const faults = check(request.body);
      if (faults.length > 0) throw invalidRequest(faults);
      const begun = performance.now();
      const decision = evaluate(request.body, {
        includeClear: request.query.include === 'clear',
        notChecked: request.item?.notes ?? [],
        ...(request.item && { site: request.item.site }),
      });
      metrics.observeDecision(decision, (performance.now() - begun) / 1000);
      if (request.body.vm.runtime?.blockedReasons) metrics.observeAgreement(decision);
      void reply.headers({ 'preflight-verdict': decision.verdict, 'preflight-decision-id': decision.decisionId });
      if (request.query['fail-on']?.split(',').includes(decision.verdict)) void reply.code(409);
      const whole = request.query.remedies === 'false' ? decision : withRemedies(request.body, decision);
      return sendAs(request, reply, whole, (each) => decisionText(each, inkOf(request.query.color)));
    },
  );
}
