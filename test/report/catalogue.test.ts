import { describe, expect, it } from 'vitest';
import { qemuBehaviours } from '../../src/platform/qemu.ts';
import { qemuSeries } from '../../src/platform/releases.ts';
import { isAtLeast, parseVersion, type Release, type Version } from '../../src/platform/version.ts';
import { ruleDocOf, rulesIn, ruleSummaries } from '../../src/report/catalogue.ts';
import { catalogue } from '../../src/rules/recognise.ts';

describe('the list of rules', () => {
  it('has every rule once, in the catalogue’s order', () => {
    const ids = ruleSummaries.map(({ id }) => id);
    expect(ids).toEqual(catalogue.map(({ id }) => id));
    expect(new Set(ids).size).toBe(ids.length);
  });

  it.each(ruleSummaries)('$id has what its page has', (summary) => {
    const page = ruleDocOf(summary.id);
    expect(page).toMatchObject(summary);
    expect(page?.changes.map(({ id }) => id)).toEqual(summary.liftedBy);
  });

  it.each(catalogue)('says in which QEMUs $id can fire', ({ id, behaviour, cases }) => {
    const versions = ruleSummaries.find((summary) => summary.id === id)?.versions;
    for (const series of Object.keys(cases).length > 0 ? qemuSeries : []) {
      const version = parseVersion(series) as Version;
      const has = behaviour === null || Object.hasOwn(cases, qemuBehaviours(version)?.[behaviour] ?? '');
      const isListed = versions?.some(
        ({ since, until }) =>
          isAtLeast(version, since as Release) && !(until !== undefined && isAtLeast(version, until as Release)),
      );
      expect([series, isListed]).toEqual([series, has]);
    }
  });
});

describe('a rule’s page', () => {
  it('tells when it comes, by enable-migration', () => {
    expect(ruleDocOf('vfio-viommu')).toMatchObject({
      link: '/v1/rules/vfio-viommu',
      subject: 'vfio',
      effect: { auto: 'blocker', on: 'start-failure' },
      when: { auto: 'migrate-command', on: 'start' },
      versions: [{ since: '8.0' }],
      behaviour: 'viommuBlock',
    });
  });

  it('has the words of each QEMU', () => {
    const message = '{device}: Migration is currently not supported with vIOMMU enabled';
    expect(ruleDocOf('vfio-viommu')?.messages).toEqual([
      { value: 'any-device', versions: { since: '8.0', until: '8.1' }, message: message.slice('{device}: '.length) },
      { value: 'each-device', versions: { since: '8.1', until: '11.0' }, message },
      { value: 'device-tracking', versions: { since: '11.0' }, message },
    ]);
  });

  it('has the words of a patch that no release carried', () => {
    expect(ruleDocOf('vfio-ram-limit')?.messages).toContainEqual(
      expect.objectContaining({ value: 'legacy-over-8tib', versions: null }),
    );
  });

  it('of a rule that only logs tell of has wordings, and no QEMU', () => {
    const { versions, behaviour, messages, wordings } = ruleDocOf('vfio-device-state') ?? {};
    expect([versions, behaviour, messages]).toEqual([undefined, undefined, []]);
    expect(wordings).toContain('{device}: data_fd out of sync');
  });

  it.each(['', 'vfio', 'constructor', '__proto__'])('there is none called %j', (id) => {
    expect(ruleDocOf(id)).toBeUndefined();
  });
});

describe('the rules in a line', () => {
  it('come once each, with every place', () => {
    const vIommu = 'Migration is currently not supported with vIOMMU enabled';
    const p2p = 'Multiple VFIO devices migration is supported only if all of them support P2P migration';
    const rules = rulesIn(`cannot migrate domain: 0000:3b:00.1: ${vIommu}; ${p2p}; 0000:3b:00.2: ${vIommu}`);
    expect(rules.map(({ id, matches }) => [id, matches.map(({ parameters }) => parameters)])).toEqual([
      ['vfio-p2p', [{}]],
      ['vfio-viommu', [{ device: '0000:3b:00.1' }, { device: '0000:3b:00.2' }]],
    ]);
  });

  it('come with which QEMU says so', () => {
    const [rule] = rulesIn("0000:3b:00.1: VFIO device doesn't support device and IOMMU dirty tracking");
    expect(rule?.matches[0]?.said).toEqual([{ value: 'device-or-iommu', versions: { since: '9.1' } }]);
  });
});
