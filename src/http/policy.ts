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

const examples: Readonly<Record<string, { readonly summary: string; readonly value: PolicyAnswer }>> = {
  silent: {
    summary: 'Without a policy file',
    value: { revision: null, loadedAt: null, failure: null, policy: { version: 1 } },
  },
  stale: {
    summary: 'With a file that was good once and is not now',
    value: {
      revision: '5f2d1c0b9a8e',
      loadedAt: '2026-11-22T12:00:00.000Z',
      failure: {
        at: '2026-11-23T08:30:00.000Z',
        detail: 'policy: line 5: /rules/0/when: "modell": No such key: modell',
      },
      policy: {
        version: 1,
        rules: [
          {
            id: 'site-dirty-rate-behind-viommu',
            when: "vm.viommu.model != 'none' && source.qemu.between('11.0', '11.1') && migration.mayHappen('dirty-rate')",
            verdict: 'blocked',
            message: 'stop calc-dirty-rate first',
          },
        ],
      },
    },
  },
};
