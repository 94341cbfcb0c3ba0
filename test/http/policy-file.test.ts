import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { parsePolicy } from '../../src/http/policy-file.ts';
import type { Policy } from '../../src/policy/policy.ts';
import { descriptorWith, intel48 } from '../rules/rule-tester.ts';

const sample = readFileSync('deploy/policy/policy.yaml', 'utf8');

/** The number of the first line of the sample that has `text`. */
const lineWith = (text: string): number => sample.split('\n').findIndex((line) => line.includes(text)) + 1;

const NOW = Date.parse('2026-11-22T12:00:00Z');

describe('the sample', () => {
  it('is good, and as JSON the same', () => {
    const policy = parsePolicy(sample);
    expect(parsePolicy(JSON.stringify(policy.content)).at(NOW).revision).toBe(policy.at(NOW).revision);
  });

  it('is shown in the README in a form that is good', () => {
    const [, shown = ''] = /```yaml\n(# yaml-language-server[^]*?)```/.exec(readFileSync('README.md', 'utf8')) ?? [];
    expect(parsePolicy(shown).content).toMatchObject({
      rules: [{ id: 'site-dirty-rate-behind-viommu' }],
      accept: [{}],
    });
  });

  it('names its JSON Schema', () => {
    const [, file = ''] = /^# yaml-language-server: \$schema=(\S+)$/m.exec(sample) ?? [];
    expect(JSON.parse(readFileSync(`deploy/policy/${file}`, 'utf8'))).toMatchObject({
      title: expect.any(String) as string,
    });
  });
});

describe('a policy file', () => {
  it.each<[what: string, from: string, to: string, words: string]>([
    [
      'a figure that there is none of',
      'figure: unmapCalls',
      'figure: unmaps',
      '/limits/1: value of tag "figure" must be in oneOf',
    ],
    ['a verdict that there is none of', 'verdict: risky', 'verdict: maybe', '/limits/0/verdict: must be one of'],
    ['a size that is none', 'most: 128MiB', 'most: 128MB', '/limits/0/most: must be a size'],
    ['no size at all', 'most: 128MiB', 'least: 128MiB', '/limits/0/least: no such member'],
    ['no bandwidth', 'bandwidth: 1GiB', 'bandwidth: 0', '/limits/2/bandwidth: must be more than nothing'],
    ['an id of another form', 'id: site-no-mdev', 'id: no-mdev', '/rules/1/id: must be a name such as'],
    [
      'an id twice',
      'id: site-no-mdev',
      'id: site-dirty-rate-behind-viommu',
      '/rules/1/id: an earlier rule has this id',
    ],
    [
      'an expression that is wrong',
      "device.type == 'mdev'",
      "device.typ == 'mdev'",
      '/rules/1/when: "typ": No such key: typ',
    ],
    ['a message that is wrong', '{device.id}', '{dev.id}', '/rules/1/message: "dev": Unknown variable: dev'],
    ['an event that there is none of', 'trigger: guest-unmap', 'trigger: unmap', '/accept/0/trigger: must be one of'],
    ['a day that there is none of', 'until: 2027-03-31', 'until: 2027-02-31', '/accept/0/until: there is no such day'],
    [
      'a time without a zone',
      'until: 2027-03-31',
      'until: 2027-03-31T12:00:00',
      '/accept/0/until: must be the last day',
    ],
    [
      'an acceptance of nothing in particular',
      'trigger: guest-unmap',
      'device: dev0',
      '/accept/0: must name a rule, or a trigger',
    ],
    [
      'an acceptance of what QEMU refuses',
      'trigger: guest-unmap',
      'rule: vfio-viommu',
      '/accept/0/rule: QEMU refuses over vfio-viommu, which cannot be accepted away',
    ],
    [
      'an acceptance of a rule that there is none of',
      'trigger: guest-unmap',
      'rule: vfio-unmapp',
      '/accept/0/rule: there is no rule "vfio-unmapp"; the nearest is "vfio-unmap"',
    ],
    ['a default that is none', 'vendor: intel', 'vendr: intel', '/defaults/source/iommu/vendr: no such member'],
    ['another version', 'version: 1', 'version: 2', '/version: must be'],
    ['a key twice', '  migration:', '  migration: {}\n  migration:', 'the key "migration" stands twice'],
    ['a tag', 'most: 128MiB', 'most: !!str 128MiB', 'the tag tag:yaml.org,2002:str is not read'],
    ['no YAML', 'limits:', 'limits: [', 'not well-formed YAML'],
  ])('with %s is refused with the line', (_what, from, to, words) => {
    expect(sample).toContain(from);
    expect(() => parsePolicy(sample.replace(from, to))).toThrow(words);
    expect(() => parsePolicy(sample.replace(from, to))).toThrow(/line \d+: /);
  });

  it('names the line of each that is wrong', () => {
    const text = sample.replace('device.type ==', 'device.typ ==').replace('trigger: guest-unmap', 'rule: vfio-viommu');
    const [when, accept] = [lineWith("device.type == 'mdev'"), lineWith('trigger: guest-unmap')];
    expect(() => parsePolicy(text)).toThrow(new RegExp(`^line ${when}: .*; line ${accept}: `));
  });

  it.each([
    ['one rule', [['devices.exists(d, devices.exists(e, d.id == e.id && d.p2p))', 1]], '/rules/0/when: it may take'],
    [
      'all rules',
      [["devices.exists(d, d.id == 'x' || d.id == 'y' || d.id == 'z')", 256]],
      'when: with this the rules may take',
    ],
  ] as const)('with a runaway expression is refused by what %s may cost', (_what, kinds, words) => {
    const rules = kinds.flatMap(([when, times]) =>
      Array.from({ length: times }, (_, index) => ({ id: `site-r${index}`, when, verdict: 'risky', message: 'x' })),
    );
    const act = (): Policy => parsePolicy(JSON.stringify({ version: 1, rules }));
    expect(act).toThrow(words);
  });
});

/** What may stand at a place of the sample in place of what does. */
const token = fc.oneof(
  fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ': ',
    '- ',
    '\n',
    '  ',
    '&a ',
    '*a',
    '<<: ',
    '!!js ',
    '#',
    '"',
    "'",
    '|\n',
    '\t',
    '\0',
  ),
  fc.constantFrom(
    'vm',
    'devices.',
    '.exists(',
    'd, ',
    ' && ',
    '||',
    '!',
    '(',
    ')',
    '1',
    '-',
    '?',
    "'x'",
    '99999999999999999999',
  ),
  fc.constantFrom(
    'version: 1',
    'limits:',
    'rules:',
    'accept:',
    'defaults:',
    'when:',
    'until:',
    'verdict: risky',
    'null',
    'true',
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
);

/** The sample with stretches of it left out, doubled, moved, or replaced. */
const mutated = fc
  .array(
    fc.record({
      from: fc.nat(sample.length),
      length: fc.oneof(fc.constant(0), fc.nat(12), fc.nat(200)),
      by: fc.oneof(token, fc.record({ from: fc.nat(sample.length), length: fc.nat(120) })),
    }),
    { minLength: 1, maxLength: 6 },
  )
  .map((edits) =>
    edits.reduce((text, { from, length, by }) => {
      const put = typeof by === 'string' ? by : sample.slice(by.from, by.from + by.length);
      return text.slice(0, from) + put + text.slice(from + length);
    }, sample),
  );

const bytes = fc.uint8Array({ maxLength: 400 }).map((array) => Buffer.from(array).toString('utf8'));

const vm = descriptorWith({ '/vm/viommu': intel48, '/source/qemu': undefined });

describe('whatever a policy file holds', () => {
  it('it is a good policy, which judges a VM, or an error that names a line', () => {
    fc.assert(
      fc.property(fc.oneof({ weight: 5, arbitrary: mutated }, { weight: 1, arbitrary: bytes }), (text) => {
        let policy: Policy;
        try {
          policy = parsePolicy(text);
        } catch (error) {
          expect((error as Error).message).toMatch(/^line \d+: /);
          expect((error as Error).constructor).toBe(Error);
          return;
        }
        expect(evaluate(vm, { policy: policy.at(NOW), decides: false }).policyRevision).toMatch(/^[0-9a-f]{12}$/);
      }),
      { numRuns: 400 },
    );
  });

  /** Expressions that are mostly well-formed, of which some are well-typed. */
  const { condition } = fc.letrec<{ condition: string; truth: string; text: string; number: string }>((tie) => ({
    number: fc.oneof(
      fc.constantFrom(
        'vm.memory',
        'figures.unmapCalls',
        'vm.viommu.addressWidth',
        '0',
        '-1',
        '9223372036854775807',
        'devices.size()',
      ),
      fc
        .tuple(tie('number'), fc.constantFrom('+', '-', '*', '/', '%'), tie('number'))
        .map((each) => `(${each.join(' ')})`),
    ),
    text: fc.constantFrom(
      'vm.viommu.model',
      "'intel'",
      "'none'",
      'source.behaviours.viommuBlock',
      "vm.labels['x']",
      'devices[0].id',
    ),
    truth: fc.oneof(
      {
        weight: 3,
        arbitrary: fc.constantFrom(
          'true',
          'vm.running',
          'd.behindViommu',
          'd.p2p',
          "source.qemu > version('11.0')",
          "findings.fired('vfio-viommu')",
        ),
      },
      fc.tuple(tie('number'), fc.constantFrom('<', '<=', '==', '!=', '>'), tie('number')).map((each) => each.join(' ')),
      fc.tuple(tie('text'), fc.constantFrom('==', '!='), tie('text')).map((each) => each.join(' ')),
      fc.tuple(tie('truth'), fc.constantFrom('&&', '||', '=='), tie('truth')).map((each) => `(${each.join(' ')})`),
      tie('truth').map((each) => `!(${each})`),
      fc.tuple(tie('truth'), tie('truth'), tie('truth')).map(([a, b, c]) => `(${a} ? ${b} : ${c})`),
      fc
        .tuple(fc.constantFrom('all', 'exists', 'exists_one'), tie('truth'))
        .map(([macro, each]) => `devices.${macro}(d, ${each})`),
    ),
    condition: tie('truth').map((each) => `devices.exists(d, ${each})`),
  }));

  it('and whatever it asks', () => {
    let good = 0;
    fc.assert(
      fc.property(condition, (when) => {
        const rules = [{ id: 'site-x', when, verdict: 'risky', message: '{vm.memory}' }];
        let policy: Policy;
        try {
          policy = parsePolicy(JSON.stringify({ version: 1, rules }));
        } catch (error) {
          expect((error as Error).message).toMatch(/^line 1: \/rules\/0\/when: /);
          return;
        }
        good++;
        evaluate(vm, { policy: policy.at(NOW), decides: false });
      }),
      { numRuns: 400 },
    );
    expect(good).toBeGreaterThan(40);
  });
});
