import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import { evaluate } from '../evaluation/evaluate.ts';
import { examples, exampleXml } from './examples.ts';

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
    { name: 'operations', description: 'Health and metrics.' },
  ],
} satisfies FastifyDynamicSwaggerOptions['openapi'];

type Transform = NonNullable<FastifyDynamicSwaggerOptions['transformObject']>;
type Content = Record<string, { schema?: unknown; examples?: unknown }>;

/**
 * Puts the examples into the document: each request, and the answer that the service gives to it. A libvirt domain is a
 * second way to write the same body.
 */
export const withExamples: Transform = (document) => {
  if (!('openapiObject' in document)) return document.swaggerObject;
  const { openapiObject } = document;
  const operation = openapiObject.paths?.['/v1/evaluations']?.post;
  const request = (operation?.requestBody as { content?: Content } | undefined)?.content;
  const answer = (operation?.responses?.['200'] as { content?: Content } | undefined)?.content;
  const [json, decision] = [request?.['application/json'], answer?.['application/json']];
  if (!request || !json || !decision) throw new Error('the document has no POST /v1/evaluations');
  const named = Object.entries(examples);
  json.examples = Object.fromEntries(
    named.map(([name, { summary, descriptor }]) => [name, { summary, value: descriptor }]),
  );
  decision.examples = Object.fromEntries(
    named.map(([name, { summary, descriptor }]) => [name, { summary, value: evaluate(descriptor) }]),
  );
  request['application/xml'] = {
    schema: { type: 'string', description: 'A libvirt domain, as virsh dumpxml prints it.' },
    examples: { domain: { summary: 'A device behind intel-iommu', value: exampleXml } },
  };
  return openapiObject;
};
