import { readdirSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { runSuite } from '../../src/policy-suite/run.ts';
import { Files } from '../e2e/certificates.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const TESTS = 'deploy/policy/tests';

describe('the suite of the sample policy', () => {
  it.each(readdirSync(TESTS))('%s passes', (name) => {
    const results = runSuite(`${TESTS}/${name}`, NOW);
    expect(results.flatMap(({ name: test, differences }) => differences.map((each) => `${test}: ${each}`))).toEqual([]);
    expect(results.length).toBeGreaterThan(3);
  });
});

const files = new Files();
afterAll(() => files.remove());
files.write(
  'policy.yaml',
  `version: 1
rules:
  - { id: site-a, when: vm.running, verdict: risky, message: it runs }
  - { id: site-b, when: "source.qemu > version('9.0')", verdict: blocked, message: "of {source.qemu}" }
accept:
  - { rule: site-a, by: a, why: b, until: 2026-11-30 }
`,
);

const suite = (expected: string, more = ''): string =>
  files.write(
    'suite.yaml',
    `policy: policy.yaml
base:
  vm: { memory: 4GiB, vfio: [] }
  source: { qemu: 8.2.0, iommu: { vendor: intel } }
  state: running
tests:
  - name: one
    expect: ${expected}
${more}`,
  );

describe('a test', () => {
  it.each<[expected: string, differences: readonly string[]]>([
    ['{ verdict: allowed }', []],
    ['{ accepted: [site-a], quiet: [site-b], because: [] }', []],
    ['{ says: { site-a: it runs } }', []],
    ['{ verdict: blocked }', ['the verdict is allowed, not blocked: Nothing that was checked refuses this migration.']],
    ['{ because: [site-policy] }', ['that is because of nothing, not of site-policy']],
    ['{ fires: [site-a] }', ['site-a is accepted']],
    ['{ fires: [site-b] }', ['site-b does not fire']],
    ['{ quiet: [site-a] }', ['site-a fires']],
    ['{ accepted: [site-b] }', ['site-b is not accepted']],
    ['{ unknown: [site-b] }', ['site-b is not unknown']],
    ['{ says: { site-a: it walks } }', ['site-a says ["it runs"], not "it walks"']],
    ['{ quiet: [site-c] }', ['there is no rule "site-c"; the nearest is "site-a"']],
  ])('that expects %s', (expected, differences) => {
    expect(runSuite(suite(expected), NOW)).toEqual([{ name: 'one', line: 7, differences }]);
  });

  it.each<[more: string, differences: readonly string[]]>([
    ['    given: { source: { qemu: 11.0.0 } }', ['site-b fires']],
    ['    without: [/source/qemu]', ['site-b is unknown']],
    ['    given: { source: { qemuu: 11.0.0 } }', ['/source/qemuu: no such member; the nearest known is "qemu"']],
    ['    given: { vm: { memory: 0 } }', ['/vm/memory: a VM has memory']],
  ])('that is given %s', (more, differences) => {
    expect(runSuite(suite('{ quiet: [site-b] }', more), NOW)[0]?.differences).toEqual(differences);
  });

  it('is of now, unless the suite says when', () => {
    const december = Date.parse('2026-12-01');
    const path = suite('{ fires: [site-a, policy-acceptance-ended] }');
    expect(runSuite(path, NOW)[0]?.differences).toHaveLength(2);
    expect(runSuite(path, december)[0]?.differences).toEqual([]);
    const at = suite('{ accepted: [site-a] }', 'at: 2026-11-30T23:59:59Z');
    expect(runSuite(at, december)[0]?.differences).toEqual([]);
  });
});

describe('a file of tests', () => {
  it.each([
    ['that expects nothing', '{}', '', 'line 8: /tests/0/expect: must NOT have fewer than 1 properties'],
    ['that expects what is no verdict', '{ verdict: fine }', '', 'line 8: /tests/0/expect/verdict: '],
    [
      'that says something else',
      '{ verdict: risky }',
      'policies: []',
      'line 9: /policies: no such member; the nearest known is "policy"',
    ],
    ['of no time', '{ verdict: risky }', 'at: noon', 'line 9: /at: is no time'],
  ])('%s is wrong', (_what, expected, more, words) => {
    expect(() => runSuite(suite(expected, more), NOW)).toThrow(words);
  });

  it('of a policy that is wrong is wrong', () => {
    const path = files.write('other.yaml', 'policy: wrong.yaml\ntests: [{ name: a, expect: { verdict: risky } }]\n');
    files.write('wrong.yaml', 'version: 1\nlimit: []\n');
    expect(() => runSuite(path, NOW)).toThrow(/wrong\.yaml: line 2: \/limit: no such member/);
  });
});
