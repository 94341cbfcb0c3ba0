import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { Files } from './certificates.ts';

const files = new Files();
afterAll(() => files.remove());

/** What `npm run policy` says, and its exit code. */
function policy(...args: readonly string[]): { readonly code: number | null; readonly said: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/policy-check.js', ...args], {
    encoding: 'utf8',
  });
  return { code: status, said: `${stdout}${stderr}`.replaceAll(`${files.path('')}/`, '') };
}

const good = files.write(
  'good.yaml',
  'version: 1\nrules:\n  - { id: site-a, when: vm.running, verdict: risky, message: a }\n',
);
const bad = files.write(
  'bad.yaml',
  'version: 1\nrules:\n  - { id: site-a, when: vm.run, verdict: risky, message: "{b}" }\n',
);
const suite = (expected: string): string =>
  files.write(
    'suite.yaml',
    `policy: good.yaml
base: { vm: { memory: 1GiB, vfio: [] }, source: { qemu: "11.0", iommu: { vendor: intel } } }
tests:
  - { name: it is planned, expect: { verdict: ${expected} } }
  - { name: it runs, given: { state: running }, expect: { verdict: risky, fires: [site-a] } }
`,
  );

describe('npm run policy', () => {
  it('check ends with 0 for a policy that is good', () => {
    const { code, said } = policy('check', good);
    expect(said).toMatch(/^good\.yaml: good, revision [0-9a-f]{12}: 0 limits, 1 rules, 0 acceptances\n$/);
    expect(code).toBe(0);
  });

  it('check ends with 2 for one that is not, and names the lines as compilers do', () => {
    expect(policy('check', bad)).toEqual({ code: 2, said: 'bad.yaml:3: /rules/0/when: "run": No such key: run\n' });
    expect(policy('check', files.path('none.yaml'))).toMatchObject({ code: 2 });
  });

  it('test ends with 0 if all is as expected', () => {
    expect(policy('test', suite('allowed'))).toEqual({
      code: 0,
      said: 'ok   suite.yaml:4: it is planned\nok   suite.yaml:5: it runs\n2 passed, 0 failed\n',
    });
  });

  it('test ends with 1 if something is not, and says what', () => {
    expect(policy('test', suite('blocked'))).toEqual({
      code: 1,
      said:
        'FAIL suite.yaml:4: it is planned\n' +
        '       the verdict is allowed, not blocked: Nothing that was checked refuses this migration.\n' +
        'ok   suite.yaml:5: it runs\n1 passed, 1 failed\n',
    });
  });

  it('test ends with 2 if a file is wrong', () => {
    expect(policy('test', suite('perhaps'))).toMatchObject({
      code: 2,
      said: expect.stringMatching(/^suite\.yaml:4: /) as string,
    });
    expect(
      policy('test', files.write('other.yaml', 'policy: bad.yaml\ntests: [{ name: a, expect: { verdict: risky } }]\n')),
    ).toEqual({
      code: 2,
      said: 'other.yaml: bad.yaml: line 3: /rules/0/when: "run": No such key: run\n',
    });
  });

  it('names lists what expressions may say', () => {
    expect(policy('names').said).toContain('\nVm\n  memory: int\n');
  });

  it.each([[[]], [['check']], [['tests', good]]])('with %j says how it is used', (args) => {
    expect(policy(...args)).toMatchObject({
      code: 2,
      said: expect.stringMatching(/^usage: npm run policy -- check FILE\n/) as string,
    });
  });
});
