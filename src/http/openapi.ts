import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { evaluate } from '../evaluation/evaluate.ts';
import { type Simulated, simulateRequest } from '../evaluation/simulate.ts';
import type { Trace } from '../evaluation/trace.ts';
import { type Examples, examples, exampleXml, simulationExamples } from './examples.ts';

/** What the OpenAPI document says of the service as a whole. */
export const openapi = {
  openapi: '3.1.0',
  info: {
    title: 'migration-preflight',
    version: '1',
    description:
      'Answers, before a live migration starts, whether a QEMU/KVM VM with VFIO devices can be migrated, what exactly ' +
      'would refuse it and why, and what DMA unmaps would cost while dirty tracking is on. It predicts; it never talks ' +
      'to a hypervisor.',
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/', description: 'This service.' }],
  tags: [
    { name: 'evaluation', description: 'Judging a VM.' },
    { name: 'simulation', description: 'What QEMU and the kernel do, step by step.' },
    { name: 'operations', description: 'Health and metrics.' },
  ],
} satisfies FastifyDynamicSwaggerOptions['openapi'];

type Transform = NonNullable<FastifyDynamicSwaggerOptions['transformObject']>;
type Content = Record<string, { schema?: unknown; examples?: unknown }>;

/**
 * Puts the examples into the document: each request, and the answer that the service gives to it. A libvirt domain is a
 * second way to write the body of an evaluation.
 */
export const withExamples: Transform = (document) => {
  if (!('openapiObject' in document)) return document.swaggerObject;
  const { openapiObject } = document;
  const show = <Request>(path: string, shown: Examples<Request>, answer: (request: Request) => unknown): Content => {
    const operation = openapiObject.paths?.[path]?.post;
    const request = (operation?.requestBody as { content?: Content } | undefined)?.content;
    const answers = (operation?.responses?.['200'] as { content?: Content } | undefined)?.content;
    const [question, reply] = [request?.['application/json'], answers?.['application/json']];
    if (!request || !question || !reply) throw new Error(`the document has no POST ${path}`);
    const named = Object.entries(shown);
    question.examples = Object.fromEntries(
      named.map(([name, { summary, request: value }]) => [name, { summary, value }]),
    );
    reply.examples = Object.fromEntries(
      named.map(([name, { summary, request: value }]) => [name, { summary, value: answer(value) }]),
    );
    return request;
  };
  show('/v1/evaluations', examples, (request) => evaluate(request))['application/xml'] = {
    schema: { type: 'string', description: 'A libvirt domain, as virsh dumpxml prints it.' },
    examples: { domain: { summary: 'A device behind intel-iommu', value: exampleXml } },
  };
  show('/v1/simulations', simulationExamples, (request) => traceOf(simulateRequest(request)));
  return openapiObject;
};

function traceOf(simulated: Simulated): Trace {
  if ('faults' in simulated) throw new Error(`an example is wrong: ${JSON.stringify(simulated.faults)}`);
  return simulated.trace;
}
