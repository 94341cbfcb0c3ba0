import * as z from 'zod';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';
import {
  batchExamples,
  envelopeExamples,
  exampleArgv,
  examples,
  exampleXml,
  placementExamples,
  replayExamples,
  simulationExamples,
} from '../../src/http/examples.ts';
import { policyContent } from '../../src/policy/schema.ts';

/** What editors hold a policy file to. */
function policySchema(): object {
  const { id: _, ...schema } = z.toJSONSchema(policyContent);
  return { ...schema, title: 'Site policy of migration-preflight' };
}

const pretty = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/**
 * The files that are made from the service and committed, by their path from the root of the repository: the OpenAPI
 * document, and its requests to try with curl.
 */
export async function generatedFiles(): Promise<Map<string, string>> {
  const app = await buildApp(readConfig({}));
  const document: unknown = (await app.inject('/openapi.json')).json();
  await app.close();
  return new Map([
    ['openapi/openapi.json', pretty(document)],
    ['deploy/policy/policy.schema.json', pretty(policySchema())],
    ['openapi/examples/domain.xml', exampleXml],
    ['openapi/examples/command.txt', exampleArgv],
    ...Object.entries({ ...batchExamples, ...replayExamples() }).map(([name, { request }]): [string, string] => [
      `openapi/examples/${name}.ndjson`,
      request.map((item) => `${JSON.stringify(item)}\n`).join(''),
    ]),
    ...Object.entries({ ...examples, ...envelopeExamples, ...placementExamples, ...simulationExamples }).map(
      ([name, { request }]): [string, string] => [`openapi/examples/${name}.json`, pretty(request)],
    ),
  ]);
}
