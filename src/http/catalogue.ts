import { closest } from 'fastest-levenshtein';
import type { FastifyInstance } from 'fastify';
import { ruleDocOf, rulesIn, ruleSummaries } from '../report/catalogue.ts';
import { recognisedText, rulesText, ruleText } from '../report/catalogue-text.ts';
import { knownPlatforms } from '../report/platforms.ts';
import { LINE_MAX } from '../rules/recognise.ts';
import { exampleLine } from './examples.ts';
import { format, jsonOrText, sendAs } from './format.ts';
import { Problem, problemAnswer } from './problems.ts';
import { ref } from './schemas.ts';

interface Query {
  readonly format?: 'json' | 'text';
}

/** `GET /v1/rules`, `/v1/rules/{id}` and `/v1/platforms`: what the answers rest on. */
export function catalogue(app: FastifyInstance): void {
  const tags = ['catalogue'];
  app.get<{ Querystring: Query & { readonly message?: string } }>(
    '/v1/rules',
    {
      schema: {
        operationId: 'rules',
        summary: 'Which rules are there; and which of them does a line of a log speak of?',
        description:
          'With `message`, the rules whose words are in it, the best fit first, with what stands in the line for each ' +
          'name in braces; none is an empty list. The line may be QEMU’s, libvirt’s or the kernel’s, with its prefixes.',
        tags,
        querystring: {
          type: 'object',
          properties: {
            message: {
              type: 'string',
              minLength: 1,
              maxLength: LINE_MAX,
              description: 'A line of a log.',
              examples: [exampleLine],
            },
            format,
          },
          additionalProperties: false,
        },
        response: {
          200: jsonOrText('The rules; of a message those that were recognised.', {
            anyOf: [ref('RuleList'), ref('RecognisedRules')],
          }),
          '4xx': problemAnswer,
        },
      },
    },
    (request, reply) => {
      const { message } = request.query;
      return message === undefined
        ? sendAs(request, reply, { rules: ruleSummaries }, ({ rules }) => rulesText(rules))
        : sendAs(request, reply, { rules: rulesIn(message) }, ({ rules }) => recognisedText(rules));
    },
  );
  app.get<{ Params: { readonly id: string }; Querystring: Query }>(
    '/v1/rules/:id',
    {
      schema: {
        operationId: 'rule',
        summary: 'What a rule is about, who says it in which words, and what lifts it',
        tags,
        params: { type: 'object', properties: { id: { type: 'string', examples: ['vfio-viommu'] } }, required: ['id'] },
        querystring: { type: 'object', properties: { format }, additionalProperties: false },
        response: { 200: jsonOrText('The rule.', ref('RuleDoc')), '4xx': problemAnswer },
      },
    },
    (request, reply) => {
      const { id } = request.params;
      const rule = ruleDocOf(id);
      if (rule) return sendAs(request, reply, rule, ruleText);
      const nearest = closest(id, ids);
      throw new Problem('not-found', `no rule "${id}"; the nearest is "${nearest}"`);
    },
  );
  app.get(
    '/v1/platforms',
    {
      schema: {
        operationId: 'platforms',
        summary: 'What is each QEMU, kernel, machine type, VFIO driver and libvirt taken to do?',
        tags,
        response: {
          200: { description: 'The tables that the answers rest on.', ...ref('Platforms') },
          '4xx': problemAnswer,
        },
      },
    },
    () => knownPlatforms,
  );
}

const ids = ruleSummaries.map(({ id }) => id);
