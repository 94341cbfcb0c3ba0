import type { FastifyInstance } from 'fastify';
import type { Policies } from './policies.ts';
import type { PolicyAnswer } from './policy-schema.ts';
import { problemAnswer } from './problems.ts';
import { ref } from './schemas.ts';

/** `GET /v1/policy`: what is in force. */
export function policy(app: FastifyInstance, policies: Policies): void {
  app.get(
    '/v1/policy',
    {
      schema: {
        operationId: 'policy',
        summary: 'What does the site’s policy say, and is its file good?',
        tags: ['catalogue'],
        response: {
          200: {
            description: 'The policy in force; an empty one without a policy file.',
            content: { 'application/json': { schema: ref('PolicyInForce'), examples } },
          },
          '4xx': problemAnswer,
        },
      },
    },
    (_request, reply) => {
      const { revision, loadedAt, failure } = policies.status;
      const answer: PolicyAnswer = {
        revision,
        loadedAt: loadedAt?.toISOString() ?? null,
        failure: failure && { at: failure.at.toISOString(), detail: failure.detail },
        policy: policies.content,
      };
      return reply.send(answer);
    },
  );
}

const examples = {
  silent: {
    summary: 'Without a policy file',
    value: { revision: null, loadedAt: null, failure: null, policy: { version: 1 } },
  },
};
