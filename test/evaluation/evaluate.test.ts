import { describe, expect, it } from 'vitest';
import { evaluate, type Options } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

const of = (given: Given, options?: Options) => evaluate(descriptorWith(given), options);

describe('a decision', () => {
  it('has the name that the question has, or none', () => {
    expect(of({ '/ref': 'web-1' }).ref).toBe('web-1');
    expect(of({})).not.toHaveProperty('ref');
    expect(of({})).not.toHaveProperty('policyRevision');
  });

  it('lists rules that do not fire only if it is asked to, and they change nothing', () => {
    const given = { '/vm/viommu': intel48 };
    const [all, some] = [of(given, { includeClear: true }), of(given)];
    expect(new Set(all.findings.map(({ outcome }) => outcome))).toEqual(new Set(['fires', 'clear']));
    expect(all.findings.filter(({ outcome }) => outcome !== 'clear')).toEqual(some.findings);
    expect({ ...all, findings: [] }).toEqual({ ...some, findings: [] });
  });

  it.each<[string, Given, Options, boolean]>([
    ['where the verdict is unknown', { '/source/devices': undefined }, {}, true],
    ['unless nobody wants to know', { '/source/devices': undefined }, { decides: false }, false],
    ['nor where the verdict is known', { '/source/devices': undefined, '/vm/viommu': intel48 }, {}, false],
  ])('says what each value of a missing fact decides %s', (_name, given, options, says) => {
    const { unknowns } = of(given, options);
    expect(unknowns.map((unknown) => 'decides' in unknown)).toEqual(unknowns.map(() => says));
    expect(unknowns.length).toBeGreaterThan(0);
  });

  it('tells what the site said from what the caller said', () => {
    const origins = (site?: ReadonlySet<string>) =>
      of({ '/source/devices/dev0': { protocol: 'none' } }, site && { site }).findings.flatMap(({ evidence }) =>
        evidence.map(({ pointer, origin }) => `${pointer} ${origin}`),
      );
    const ofCaller = origins();
    expect(ofCaller).toContain('/source/devices/dev0/protocol given');
    expect(origins(new Set(['/source/devices/dev0/protocol']))).toEqual(
      ofCaller.map((each) => each.replace('protocol given', 'protocol site')),
    );
    // What was derived stays so, wherever its place is.
    expect(
      origins(new Set(ofCaller.map((each) => each.split(' ')[0] ?? ''))).filter((each) => /derived|default/.test(each)),
    ).toEqual(ofCaller.filter((each) => /derived|default/.test(each)));
  });

  it.each<[string, number | string]>([
    ['9TiB', 9 * 2 ** 40],
    ['0x1fffffffffffff', Number.MAX_SAFE_INTEGER],
    ['0x20000000000000', '0x20000000000000'],
  ])('rests on a size as JSON can say it exactly: %s', (memory, value) => {
    const given = {
      '/vm/memory': memory,
      '/vm/vfio/0/enableMigration': 'on',
      '/source/qemu': '11.1.3',
      '/source/devices/dev0/dmaLogging': false,
    };
    const refused = of(given).findings.find(({ rule }) => rule === 'vfio-ram-limit');
    expect(refused?.evidence).toContainEqual({ pointer: '/vm/memory', value, origin: 'given' });
  });
});
