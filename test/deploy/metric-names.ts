import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { buildApp } from '../../src/app.ts';
import { readConfig } from '../../src/config.ts';

interface Rules {
  readonly groups: readonly { readonly name: string; readonly rules: readonly (RecordingRule | AlertingRule)[] }[];
}

interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

interface AlertingRule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly runbook_url: string };
}

const { groups } = parse(readFileSync('deploy/prometheus/rules.yml', 'utf8')) as Rules;
const rules = groups.flatMap((group) => group.rules);
export const recordings = rules.filter((rule) => 'record' in rule);
export const alerts = rules.filter((rule) => 'alert' in rule);

let asked: Promise<string> | undefined;

/** What a service exposes once it has been asked for that, as the classic text. */
export const exposed = (): Promise<string> => (asked ??= ask());

async function ask(): Promise<string> {
  const app = await buildApp(readConfig({}));
  await app.inject('/metrics');
  const { payload } = await app.inject('/metrics');
  await app.close();
  return payload;
}

/** Names of the samples that a service may expose, and of what is recorded from them. */
export async function sampleNames(): Promise<ReadonlySet<string>> {
  const names = [...(await exposed()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix) : [name],
  );
  return new Set([...names, ...recordings.map(({ record }) => record)]);
}

/** The metrics, and what is recorded of them, that `expr` names; not those that Prometheus makes itself. */
export const namedIn = (expr: string): string[] =>
  [...expr.replaceAll(/"[^"]*"/g, '').matchAll(/\b(?:preflight|process|nodejs|job)_[\w:]+|\bjob:[\w:]+/g)].map(
    ([name]) => name,
  );
