import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { describe, expect, it } from 'vitest';
import { billOfMaterials, type LockedPackage, productionPackages } from '../../deploy/sbom.ts';

interface Component {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly components?: readonly Component[];
}

interface Bill {
  readonly metadata: { readonly component: { readonly 'bom-ref': string; readonly version: string } };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}

const printed = execFileSync(process.execPath, ['--import', 'tsx', 'deploy/sbom.ts'], { encoding: 'utf8' });
const bill = JSON.parse(printed) as Bill;

describe('the bill of materials', () => {
  it('is CycloneDX 1.6, by the schema of CycloneDX', async () => {
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
    expect(await validator.validate(printed)).toBeNull();
    expect(await validator.validate(printed.replace('"library"', '"book"'))).not.toBeNull();
  });

  it('names all that is installed for production, and nothing twice', () => {
    const installed = [...productionPackages()].flatMap(([path, { version }]) =>
      path === '' ? [] : [`${path.replace(/^.*node_modules\//, '')}@${version}`],
    );
    const named = bill.components.map(({ name, version }) => `${name}@${version}`);
    expect(named.toSorted()).toEqual([...new Set(installed)].toSorted());
    expect(named).toEqual(expect.arrayContaining([expect.stringMatching(/^fastify@/), expect.stringMatching(/^zod@/)]));
  });

  it('names what the pages of the documentation are made with, in the version that is there', () => {
    const pages = bill.components.find(({ name }) => name === '@fastify/swagger-ui');
    const bundle = readFileSync('node_modules/@fastify/swagger-ui/static/swagger-ui-bundle.js', 'utf8');
    expect(pages?.components?.map(({ name }) => name)).toEqual(['swagger-ui-dist']);
    expect(bundle).toContain(`"${pages?.components?.[0]?.version}"`);
  });

  it('leads from the service to each of them', () => {
    const dependsOn = new Map(bill.dependencies.map((each) => [each.ref, each.dependsOn]));
    const reached = new Set([bill.metadata.component['bom-ref']]);
    for (const ref of reached) for (const next of dependsOn.get(ref) ?? []) reached.add(next);
    expect([...reached].toSorted()).toEqual([...dependsOn.keys()].toSorted());
  });

  it('says how a package that is needed in two versions is needed', () => {
    const locked = (version: string, dependencies = {}): LockedPackage => ({ version, dependencies });
    const packages = new Map([
      ['', { name: 'root', ...locked('1.0.0', { a: '1.0.0', b: '2.0.0' }) }],
      ['node_modules/@x/a', locked('9.0.0')],
      ['node_modules/a', locked('1.0.0', { b: '1', '@x/a': '9' })],
      ['node_modules/a/node_modules/b', locked('1.0.0', { '@x/a': '9' })],
      ['node_modules/b', locked('2.0.0')],
    ]);
    const { components, dependencies } = billOfMaterials(packages) as Bill;
    expect(components.map(({ purl }) => purl)).toEqual([
      'pkg:npm/%40x/a@9.0.0',
      'pkg:npm/a@1.0.0',
      'pkg:npm/b@1.0.0',
      'pkg:npm/b@2.0.0',
    ]);
    expect(dependencies).toEqual([
      { ref: 'root@1.0.0', dependsOn: ['a@1.0.0', 'b@2.0.0'] },
      { ref: '@x/a@9.0.0', dependsOn: [] },
      { ref: 'a@1.0.0', dependsOn: ['@x/a@9.0.0', 'b@1.0.0'] },
      { ref: 'b@1.0.0', dependsOn: ['@x/a@9.0.0'] },
      { ref: 'b@2.0.0', dependsOn: [] },
    ]);
  });
});
