import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as monitoring from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import { parseAllDocuments } from 'yaml';

/** A Kubernetes object as it is applied. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
}

const run = promisify(execFile);

/**
 * The objects that an overlay comes to, as kubectl renders them.
 * @throws Error when there is no kubectl, when it is older than 1.21, which knows neither `labels` nor `patches` nor that a
 * resource may be a directory, or when it has a complaint, deprecations included.
 */
export async function render(overlay: string): Promise<Manifest[]> {
  const { stdout, stderr } = await run('kubectl', ['kustomize', `deploy/kubernetes/${overlay}`]).catch(
    (cause: Error) => {
      throw new Error(`kubectl 1.21 or later is needed (Debian 13 has it, Debian 12 has not): ${cause.message}`, {
        cause,
      });
    },
  );
  if (stderr !== '') throw new Error(stderr);
  return parseAllDocuments(stdout).map((document) => document.toJS() as Manifest);
}

/** A class of Kubernetes' objects, by the schema of its API. */
interface Model {
  readonly prototype: { validate: (this: unknown) => void };
}

/** What the schema of its kind says against `manifest`, fields that the schema does not know included. */
export async function faultsOf(manifest: Manifest): Promise<string[]> {
  const { apiVersion, kind } = manifest;
  const models: unknown =
    apiVersion === 'monitoring.coreos.com/v1' ? monitoring : await import(`kubernetes-models/${apiVersion}`);
  const { [kind]: model } = models as Readonly<Record<string, Model>>;
  if (!model) throw new Error(`no schema of ${apiVersion} ${kind}`);
  const read = new Set<string>();
  const faults: string[] = [];
  try {
    model.prototype.validate.call(watched(manifest, '', read));
  } catch (error) {
    faults.push((error as Error).message);
  }
  // The validators let a field pass that they do not know, and it is known by that: they never read it.
  for (const path of pathsOf(manifest)) if (!read.has(path)) faults.push(`${path}: no such field`);
  return faults;
}

/** `value`, noting in `read` the path of every member that is read. */
function watched(value: unknown, path: string, read: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof key === 'symbol' || !Object.hasOwn(target, key)) return member;
      const at = `${path}/${key}`;
      read.add(at);
      return watched(member, at, read);
    },
  });
}

const pathsOf = (value: unknown, path = ''): string[] =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([key, member]) => [`${path}/${key}`, ...pathsOf(member, `${path}/${key}`)])
    : [];
