import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { productionPackages } from '../../deploy/sbom.ts';

/** What the service is made with, and what for. A new one is added here once it is read and no smaller way is found. */
const REVIEWED = {
  '@fastify/swagger': 'the OpenAPI document, from the schemas of the routes',
  '@fastify/swagger-ui': 'the page that shows it',
  '@marcbachmann/cel-js': 'the rules of a site policy, in CEL: parsed, type-checked, and of bounded size',
  '@rgrove/parse-xml': 'libvirt XML: strict, and without dependencies',
  ajv: 'judges requests by the very schemas that the document shows',
  'close-with-grace': 'stops on signals, within a time',
  'fastest-levenshtein': 'the nearest name to one that there is not',
  fastify: 'HTTP',
  'jsonc-parser': 'JSON with the place of each fault',
  negotiator: 'Accept',
  pino: 'logs; what Fastify logs with',
  'prom-client': 'metrics',
  yaml: 'host profiles, policies and KubeVirt objects, with the line of each fault',
  zod: 'the schemas',
};

/** What those bring along. One that is not listed is new, and is to be read before it is. */
const BROUGHT_ALONG = `
  @fastify/accept-negotiator @fastify/ajv-compiler @fastify/deepmerge @fastify/error @fastify/fast-json-stringify-compiler
  @fastify/forwarded @fastify/merge-json-schemas @fastify/proxy-addr @fastify/send @fastify/static
  @isaacs/nonrecursive-glob-match @lukeed/ms @opentelemetry/api @pinojs/redact abstract-logging ajv-formats
  atomic-sleep avvio balanced-match bintrees brace-expansion content-disposition content-type cookie debug depd dequal
  escape-html fast-decode-uri-component fast-deep-equal fast-json-stringify fast-querystring fast-uri
  fastify-plugin fastq find-my-way glob http-errors inherits ipaddr.js json-schema-ref-resolver
  json-schema-resolver json-schema-traverse light-my-request lru-cache mime minimatch minipass ms on-exit-leak-free
  openapi-types path-scurry pino-abstract-transport pino-std-serializers process-warning
  quick-format-unescaped real-require require-from-string ret reusify rfdc safe-regex2 safe-stable-stringify
  secure-json-parse semver set-cookie-parser setprototypeof sonic-boom split2 statuses tdigest thread-stream
  toad-cache toidentifier`
  .trim()
  .split(/\s+/);

/** Licenses that ask for no more than their text. */
const LICENSES = ['Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT'];

const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
  'dependencies' | 'devDependencies',
  Record<string, string>
>;
const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
  packages: Record<string, { version: string; integrity?: string; resolved?: string; link?: true; optional?: true }>;
};
const production = [...productionPackages()].filter(([path]) => path !== '');
const nameOf = (path: string): string => path.replace(/^.*node_modules\//, '');

describe('what the service depends on', () => {
  it('is reviewed, one by one', () => {
    expect(Object.keys(dependencies).toSorted()).toEqual(Object.keys(REVIEWED).toSorted());
  });

  it('brings nothing along that is not listed', () => {
    const names = new Set(production.map(([path]) => nameOf(path)));
    expect([...names].toSorted()).toEqual([...Object.keys(REVIEWED), ...BROUGHT_ALONG].toSorted());
  });

  it('runs nothing when it is installed', () => {
    expect(production.filter(([, { hasInstallScript }]) => hasInstallScript)).toEqual([]);
  });

  it('has licenses that ask for nothing', () => {
    expect(production.filter(([, { license = '' }]) => !LICENSES.includes(license))).toEqual([]);
  });
});

describe('every dependency, those for development too', () => {
  it('is of one exact version, which the lock has', () => {
    const wanted = { ...dependencies, ...devDependencies };
    const locked = Object.keys(wanted).map((name) => [name, packages[`node_modules/${name}`]?.version]);
    expect(Object.fromEntries(locked)).toEqual(wanted);
    expect(Object.values(wanted).filter((version) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
  });

  it('comes from the registry, with the digest of its content', () => {
    // Of programs for other platforms the lock may know the version only.
    const others = Object.entries(packages).filter(([path, { optional }]) => path !== '' && !optional);
    expect(others.filter(([, { integrity = '' }]) => !/^sha512-[\w+/]{86}==$/.test(integrity))).toEqual([]);
    const elsewhere = Object.entries(packages).filter(([, { resolved, link }]) => resolved !== undefined || link);
    expect(elsewhere).toEqual([]);
  });
});

it('what is installed is what the lock says', () => {
  const installed = production.map(([path]) => {
    const { name, version } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Record<string, string>;
    return [path, name, version];
  });
  expect(installed).toEqual(production.map(([path, { version }]) => [path, nameOf(path), version]));
});
