import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** A package in package-lock.json, by the directory that it is installed in; the project itself is in ''. */
export interface LockedPackage {
  readonly name?: string;
  readonly version: string;
  readonly integrity?: string;
  readonly license?: string;
  readonly dev?: true;
  readonly hasInstallScript?: true;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

type Lock = Readonly<Record<string, LockedPackage>>;

/** What package-lock.json says is installed where nothing is for development. */
export function productionPackages(): Map<string, LockedPackage> {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Lock };
  return new Map(Object.entries(packages).filter(([, { dev }]) => !dev));
}

/**
 * The software bill of materials of the service, as CycloneDX 1.6: what it needs of npm to run, by package-lock.json, and
 * what that carries within. The same lock gives the same bill: it has no date and no serial number. (npm sbom --omit=dev
 * leaves out what development needs too.)
 */
export function billOfMaterials(packages = productionPackages()): object {
  const components = new Map<string, object>();
  const dependencies = new Map<string, { ref: string; dependsOn: string[] }>();
  for (const [path, locked] of packages) {
    const ref = refOf(path, locked);
    const type = path === '' ? 'application' : 'library';
    components.set(ref, { type, 'bom-ref': ref, ...described(path, locked), ...carried(path, locked) });
    const needs = Object.keys({ ...locked.dependencies, ...locked.optionalDependencies });
    const dependsOn = needs.flatMap((name) => {
      const found = resolve(packages, path, name);
      return found ? [refOf(...found)] : [];
    });
    dependencies.set(ref, { ref, dependsOn: dependsOn.toSorted() });
  }
  const [root, ...others] = components.values();
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: root },
    components: others,
    dependencies: [...dependencies.values()],
  };
}

/** The name of the package that is installed in `path`. */
export const nameOf = (path: string, { name }: LockedPackage): string => name ?? path.replace(/^.*node_modules\//, '');

const refOf = (path: string, locked: LockedPackage): string => `${nameOf(path, locked)}@${locked.version}`;

function described(path: string, locked: LockedPackage): object {
  const { version, integrity, license } = locked;
  const [, algorithm, digest = ''] = /^sha(\d+)-(.+)$/.exec(integrity ?? '') ?? [];
  const name = nameOf(path, locked);
  return {
    name,
    version,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
    ...(license !== undefined && { licenses: [{ expression: license }] }),
    ...(algorithm && { hashes: [{ alg: `SHA-${algorithm}`, content: Buffer.from(digest, 'base64').toString('hex') }] }),
  };
}

/** Packages that another carries within, as it was built with them: no lock names them. */
const WITHIN = new Map([['@fastify/swagger-ui', { name: 'swagger-ui-dist', license: 'Apache-2.0' }]]);

function carried(path: string, locked: LockedPackage): object {
  const within = WITHIN.get(nameOf(path, locked));
  if (within === undefined) return {};
  const { devDependencies } = JSON.parse(readFileSync(`${path}/package.json`, 'utf8')) as {
    devDependencies: Readonly<Record<string, string>>;
  };
  const version = devDependencies[within.name];
  if (version === undefined) throw new Error(`${path} does not say with which ${within.name} it was built`);
  const other = { ...within, version };
  return { components: [{ type: 'library', 'bom-ref': refOf('', other), ...described('', other) }] };
}

/** Where Node finds `name` for the package in `path`: in its own directory, or in the nearest one above. */
function resolve(
  packages: ReadonlyMap<string, LockedPackage>,
  path: string,
  name: string,
): [string, LockedPackage] | undefined {
  for (let from = path; ; from = from.replace(/\/?node_modules\/(@[^/]+\/)?[^/]+$/, '')) {
    const at = `${from === '' ? '' : `${from}/`}node_modules/${name}`;
    const found = packages.get(at);
    if (found) return [at, found];
    if (from === '') return undefined;
  }
}

/** `npm run sbom`: prints it. */
if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  console.log(JSON.stringify(billOfMaterials(), null, 2));
}
