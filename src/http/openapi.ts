import type { FastifyDynamicSwaggerOptions } from '@fastify/swagger';
import type { Descriptor } from '../descriptor/schema.ts';
import type { Decision } from '../evaluation/decision.ts';
import { evaluate } from '../evaluation/evaluate.ts';
import { placementsOf } from '../evaluation/placements.ts';
import type { PlacementRequest, Placements } from '../evaluation/placements-schema.ts';
import { withRemedies } from '../evaluation/remedies.ts';
import { type Simulated, simulateRequest } from '../evaluation/simulate.ts';
import type { Trace } from '../evaluation/trace.ts';
import { scopeOf } from './access.ts';
import { Answers } from './answers.ts';
import { arrayFrame, BatchAnswers } from './batch-answers.ts';
import { ITEMS_MAX } from './batch-schema.ts';
import { Reader } from './body.ts';
import {
  batchExamples,
  envelopeExamples,
  type Examples,
  examples,
  exampleArgv,
  exampleXml,
  placementExamples,
  replayExamples,
  simulationExamples,
} from './examples.ts';
import { NO_PROFILES } from './host-profiles.ts';
import { importAnswerOf } from './imports.ts';
import type { Item } from './item.ts';
import { SILENT } from './policies.ts';
import { Replaying } from './replaying.ts';
import { ReplayAnswers } from './replays.ts';
import { NDJSON } from './streaming.ts';

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
  components: {
    securitySchemes: {
      bearer: {
        type: 'http',
        scheme: 'bearer',
        description: 'Where the service has a list of clients; a client certificate does as well.',
      },
    },
  },
  tags: [
    { name: 'evaluation', description: 'Judging a VM.' },
    { name: 'simulation', description: 'What QEMU and the kernel do, step by step.' },
    { name: 'catalogue', description: 'The rules and tables that the answers rest on.' },
    { name: 'operations', description: 'Health and metrics.' },
  ],
} satisfies FastifyDynamicSwaggerOptions['openapi'];

/** Says which scope a route asks for, where the service has a list of clients; by default it has none. */
export const withScopes: NonNullable<FastifyDynamicSwaggerOptions['transform']> = ({ schema, url }) => {
  const scope = scopeOf(url);
  return { schema: { ...schema, security: scope === 'none' ? [] : [{}, { bearer: [scope] }] }, url };
};

type Transform = NonNullable<FastifyDynamicSwaggerOptions['transformObject']>;
type Content = Record<string, { schema?: unknown; examples?: unknown }>;

/**
 * Puts the examples into the document: each request, and the answer that the service gives to it. A libvirt domain and a
 * QEMU command line are other ways to write the body of an evaluation.
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
    const all = (before: unknown, more: readonly (readonly [string, object])[]): object => ({
      ...(before as object | undefined),
      ...Object.fromEntries(more),
    });
    question.examples = all(
      question.examples,
      named.map(([name, { summary, request: value }]) => [name, { summary, value }]),
    );
    reply.examples = all(
      reply.examples,
      named.map(([name, { summary, request: value }]) => [name, { summary, value: answer(value) }]),
    );
    return request;
  };
  const bodyOf = (path: string): Content => {
    const body = openapiObject.paths?.[path]?.post?.requestBody as { content: Content } | undefined;
    if (!body) throw new Error(`${path} takes no body`);
    return body.content;
  };
  const anyItem = { anyOf: [component('Descriptor'), component('Envelope')] };
  for (const path of ['/v1/evaluations', '/v1/imports']) bodyOf(path)['application/json'] = { schema: anyItem };
  show('/v1/evaluations', examples, (request) => withRemedies(request, evaluate(request)));
  show('/v1/evaluations', envelopeExamples, evaluated);
  Object.assign(bodyOf('/v1/evaluations'), documents);
  show('/v1/imports', envelopeExamples, (request) => importAnswerOf(...read(request)));
  Object.assign(bodyOf('/v1/imports'), documents);
  const batch = openapiObject.paths?.['/v1/evaluations/batch']?.post;
  if (!batch) throw new Error('the document has no batch');
  batch.requestBody = {
    required: true,
    content: {
      [NDJSON]: {
        schema: { type: 'string', description: 'One item a line.' },
        examples: lineExamples(batchExamples),
      },
      'application/json': { schema: { type: 'array', items: anyItem, maxItems: ITEMS_MAX } as never },
    },
  };
  show('/v1/evaluations/batch', batchExamples, answeredAtOnce);
  show('/v1/placements', placementExamples, placed);
  const replayed = openapiObject.paths?.['/v1/replays']?.post;
  const replayAnswer = (replayed?.responses?.['200'] as { content?: Content } | undefined)?.content?.[NDJSON];
  if (!replayed || !replayAnswer) throw new Error('the document has no replay');
  const logs = replayExamples();
  replayed.requestBody = {
    required: true,
    content: {
      [NDJSON]: {
        schema: { type: 'string', description: 'Lines of a decision log.' },
        examples: lineExamples(logs),
      },
    },
  };
  replayAnswer.examples = Object.fromEntries(
    Object.entries(logs).map(([name, { summary, request }]) => [name, { summary, value: replayedLines(request) }]),
  );
  show('/v1/simulations', simulationExamples, (request) => traceOf(simulateRequest(request)));
  return openapiObject;
};

/** Other ways to write the body than JSON. */
const documents: Content = {
  'application/xml': {
    schema: { type: 'string', description: 'A libvirt domain, as virsh dumpxml prints it.' },
    examples: { domain: { summary: 'A device behind intel-iommu', value: exampleXml } },
  },
  'text/x-qemu-argv': {
    schema: {
      type: 'string',
      description:
        'A QEMU command line: of a shell, of a libvirt log, as /proc/PID/cmdline, or a JSON array of arguments.',
    },
    examples: { command: { summary: 'A device behind intel-iommu', value: exampleArgv } },
  },
};

const component = (name: string): { $ref: string } => ({ $ref: `#/components/schemas/${name}` });

const lineExamples = (shown: Examples<readonly unknown[]>): Record<string, { summary: string; value: string }> =>
  Object.fromEntries(
    Object.entries(shown).map(([name, { summary, request }]) => [
      name,
      { summary, value: request.map((item) => `${JSON.stringify(item)}\n`).join('') },
    ]),
  );

/** The examples are valid, and none names a host profile. */
const reader = new Reader(() => true);

function read(request: unknown): [Descriptor, Item] {
  const [item] = reader.itemsIn(request, 'one');
  if (!item) throw new Error('an example is empty');
  return [item.descriptor as Descriptor, item];
}

function evaluated(request: unknown): Decision {
  const [descriptor, { notes, site }] = read(request);
  return withRemedies(descriptor, evaluate(descriptor, { notChecked: notes, site }));
}

function answeredAtOnce(items: readonly unknown[]): unknown {
  const ignore = (): void => undefined;
  const metrics = { observeEvaluation: ignore, observeFigures: ignore, observeAgreement: ignore, observeBatch: ignore };
  const judges = {
    answers: new Answers(() => true),
    profiles: NO_PROFILES,
    site: SILENT,
    metrics,
    decisionLog: null,
    failed: ignore,
  };
  const query = { only: null, summary: false, remedies: false };
  const answers = new BatchAnswers(judges, query, arrayFrame, { requestId: '', traceId: '', client: null });
  for (const [index, item] of items.entries()) {
    answers.add({ place: { index }, json: null, read: () => reader.itemsIn(item, 'any'), ref: () => undefined });
  }
  return JSON.parse(answers.end(true).toString()) as unknown;
}

function replayedLines(logged: readonly unknown[]): string {
  const failed = (error: unknown): never => {
    throw error;
  };
  const answers = new ReplayAnswers(
    new Replaying({ isLine: () => true, isDescriptor: () => true }, SILENT),
    { requestId: '', traceId: '', client: null },
    failed,
  );
  for (const [index, line] of logged.entries()) answers.add({ number: index + 1, text: JSON.stringify(line) });
  return answers.end(true).toString();
}

function placed(request: PlacementRequest): Placements {
  const steps = placementsOf(request);
  for (let step = steps.next(); ; step = steps.next()) if (step.done) return step.value;
}

function traceOf(simulated: Simulated): Trace {
  if ('faults' in simulated) throw new Error(`an example is wrong: ${JSON.stringify(simulated.faults)}`);
  return simulated.trace;
}
