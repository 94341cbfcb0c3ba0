import { describe, expect, it } from 'vitest';
import type { DecidedFinding, Decision } from '../../src/evaluation/decision.ts';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { placementsOf } from '../../src/evaluation/placements.ts';
import { withRemedies } from '../../src/evaluation/remedies.ts';
import { parsePolicy } from '../../src/http/policy-file.ts';
import type { PolicyContent } from '../../src/policy/schema.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

const NOW = Date.parse('2026-11-22T12:00:00Z');

type Parts = Omit<PolicyContent, 'version'>;

const policyOf = (parts: Parts) => parsePolicy(JSON.stringify({ version: 1, ...parts }));

function decide(parts: Parts, given: Given = {}, at = NOW): Decision {
  return evaluate(descriptorWith(given), { policy: policyOf(parts).at(at) });
}

const found = ({ findings }: Decision, id: string): DecidedFinding | undefined =>
  findings.find(({ rule }) => rule === id);

const siteFindings = ({ findings }: Decision): string[] =>
  findings.filter(({ layer }) => layer === 'policy').map(({ rule, outcome, effect }) => `${rule} ${outcome} ${effect}`);

/** A device that guests map through a vIOMMU, on a QEMU that takes that. */
const translated: Given = {
  '/vm/viommu': intel48,
  '/source/qemu': '11.0.2',
  '/source/devices/dev0/dmaLogging': false,
  '/source/iommu/dirtyTracking': true,
  '/vm/vfio/0': { id: 'dev0', backend: 'iommufd', enableMigration: 'on', guestDomain: 'dma' },
};
/** … which maps so much, no more and no less. */
const mapped: Given = {
  ...translated,
  '/vm/vfio/0/mappings': [{ iova: '0x0', pageSize: '2MiB', count: 512 }],
};
/** … and of which type1 calls all that is mapped dirty. */
const onType1: Given = { ...mapped, '/vm/vfio/0/backend': 'legacy' };

describe('a limit', () => {
  const largest = (
    most: number | string,
    verdict: 'allowed' | 'risky' | 'blocked',
    backend?: 'legacy' | 'iommufd',
  ) => ({
    limits: [{ figure: 'largestBitmap' as const, most, verdict, ...(backend && { backend }) }],
  });

  it('is held against what a decision shows', () => {
    const decision = decide(largest('1B', 'blocked'), mapped);
    const [container] = decision.containers;
    const bitmaps = [...(container?.transitions ?? []), ...(container?.sync ? [container.sync] : [])];
    const value = Math.max(...bitmaps.map(({ largestBitmapBytes }) => largestBitmapBytes));
    expect(value).toBeGreaterThan(1);
    expect(found(decision, 'policy-largest-bitmap')).toMatchObject({
      outcome: 'fires',
      effect: 'site-refusal',
      layer: 'policy',
      held: { figure: 'largestBitmap', value, atLeast: value, limit: 1 },
      messages: {
        site: expect.stringMatching(/^the largest dirty bitmap comes to \d+\w?i?B; the site allows 1B$/) as string,
      },
    });
    expect(decision).toMatchObject({ verdict: 'blocked', because: ['site-policy'] });
    expect(decision.summary).toMatch(/^The site’s policy refuses: A dirty bitmap above the limit of the site: "/);
    expect(decide(largest(value, 'blocked'), mapped).verdict).not.toBe('blocked');
    expect(decide(largest(value - 1, 'blocked'), mapped).verdict).toBe('blocked');
  });

  it.each([
    ['allowed', 'warning'],
    ['risky', 'site-risk'],
    ['blocked', 'site-refusal'],
  ] as const)('of verdict %s has the effect %s', (verdict, effect) => {
    expect(siteFindings(decide(largest('1B', verdict), mapped))).toEqual([`policy-largest-bitmap fires ${effect}`]);
  });

  it('that only some guests pass is a risk, whatever the file says', () => {
    const decision = decide(largest('1KiB', 'blocked'), translated);
    const { held } = found(decision, 'policy-largest-bitmap') ?? {};
    expect(held?.atLeast).toBeLessThan(held?.limit ?? 0);
    expect(held?.value).toBeGreaterThan(held?.limit ?? 0);
    expect(siteFindings(decision)).toEqual(['policy-largest-bitmap fires site-risk']);
    expect(found(decision, 'policy-largest-bitmap')?.messages.site).toMatch(/ may come to \S+, and to \S+ at least; /);
  });

  it('is of the backend that it names', () => {
    expect(siteFindings(decide(largest('1B', 'risky', 'legacy'), mapped))).toEqual([]);
    expect(siteFindings(decide(largest('1B', 'risky', 'iommufd'), mapped))).toHaveLength(1);
  });

  it('is unknown for want of what its figure lacks', () => {
    const decision = decide(largest('1B', 'blocked'), {
      ...mapped,
      '/vm/viommu': { model: 'intel' },
      '/vm/machine': undefined,
    });
    expect(siteFindings(decision)).toEqual(['policy-largest-bitmap unknown site-refusal']);
    expect(decision.unknowns).toContainEqual(
      expect.objectContaining({ neededBy: expect.arrayContaining(['policy-largest-bitmap']) as string[] }),
    );
  });

  it('that is passed, or not, or in part, as missing facts turn out, leaves all of that possible', () => {
    const limits = [{ figure: 'unmapCalls' as const, most: 100, verdict: 'blocked' as const }];
    const accept = [{ trigger: 'domain-switch' as const, by: 'ops', why: 'short', until: '2099-12-31' }];
    const given = {
      ...translated,
      '/source/qemu': undefined,
      '/source/devices/dev0/dmaLogging': true,
      '/source/behaviours': { viommuBlock: 'never' },
      '/migration/guestEvents': ['domain-switch'],
    };
    expect(decide({ limits, accept }, given).possible).toEqual(['allowed', 'risky', 'blocked']);
  });

  it('does not count a domain switch that cannot happen', () => {
    const limits = [{ figure: 'unmapCalls' as const, most: 0, verdict: 'risky' as const }];
    expect(siteFindings(decide({ limits }, mapped))).toHaveLength(1);
    expect(siteFindings(decide({ limits }, { ...mapped, '/migration': { guestEvents: ['unmap'] } }))).toEqual([]);
  });

  it('of the downtime holds what is dirty against the bandwidth that the request gives, or else the file', () => {
    const limits = [{ figure: 'downtimeMs' as const, most: 1000, bandwidth: '512MiB', verdict: 'blocked' as const }];
    expect(found(decide({ limits }, onType1), 'policy-downtime')).toMatchObject({
      effect: 'site-refusal',
      held: { value: 2000, atLeast: 2000, limit: 1000 },
      messages: { site: expect.stringContaining('comes to 2000 ms; the site allows 1000 ms') as string },
    });
    const fast = { ...onType1, '/migration': { parameters: { bandwidth: '1GiB' } } };
    expect(siteFindings(decide({ limits }, fast))).toEqual([]);
  });

  it.each(['totalBitmap', 'trackingMemory', 'dirtyBytesPerPass'] as const)('may be set to %s', (figure) => {
    const decision = decide({ limits: [{ figure, most: 0, verdict: 'risky' }] }, onType1);
    expect(siteFindings(decision)).toHaveLength(1);
  });
});

describe('a rule of the site', () => {
  const rule = (when: string, more: object = {}) => ({
    rules: [{ id: 'site-test', when, verdict: 'blocked' as const, message: 'QEMU {source.qemu}', ...more }],
  });

  it('that is true fires, in its own words, resting on what it read', () => {
    const decision = decide(rule("source.qemu.between('10.2', '10.2') && vm.memory > 0"));
    expect(decision).toMatchObject({
      verdict: 'blocked',
      because: ['site-policy'],
      summary: 'The site’s policy refuses: site-test: "QEMU 10.2.2".',
    });
    expect(found(decision, 'site-test')).toMatchObject({
      layer: 'policy',
      outcome: 'fires',
      effect: 'site-refusal',
      reportedBy: [],
      messages: { site: 'QEMU 10.2.2' },
      evidence: [
        { pointer: '/source/qemu', value: '10.2.2', origin: 'given' },
        { pointer: '/vm/memory', value: 4_294_967_296, origin: 'given' },
      ],
    });
  });

  it('is listed where it is clear, for who asks, with what it read', () => {
    const policy = policyOf(rule('vm.running')).at(NOW);
    const decision = evaluate(descriptorWith({}), { policy, includeClear: true });
    expect(found(decision, 'site-test')).toMatchObject({
      outcome: 'clear',
      effect: 'warning',
      messages: {},
      evidence: [{ pointer: '/state', value: 'planned', origin: 'default' }],
    });
    expect(decision.verdict).toBe('allowed');
  });

  it('that is false finds nothing', () => {
    expect(siteFindings(decide(rule('vm.running')))).toEqual([]);
  });

  it('that lacks a fact leaves the verdict open, and says what each value decides, next to its own versions too', () => {
    const decision = decide(rule("source.qemu.between('10.2.3', '10.2.4')"), { '/source/qemu': undefined });
    expect(decision).toMatchObject({
      verdict: 'unknown',
      possible: expect.arrayContaining(['allowed', 'blocked']) as string[],
    });
    const asked = decision.unknowns.find(({ pointer }) => pointer === '/source/qemu');
    expect(asked?.neededBy).toContain('site-test');
    expect(asked?.decides).toMatchObject({
      '10.2': 'allowed',
      '10.2.3': 'blocked',
      '10.2.4': 'blocked',
      '10.2.5': 'allowed',
    });
  });

  it('that lacks a fact which decides nothing does not', () => {
    const decision = decide(rule("vm.running && source.qemu > version('9.0')"), { '/source/qemu': undefined });
    expect(found(decision, 'site-test')).toBeUndefined();
  });

  it('that comes to nothing fires, and says why', () => {
    expect(found(decide(rule("vm.labels['class'] == 'batch'")), 'site-test')).toMatchObject({
      outcome: 'fires',
      messages: { site: 'QEMU 10.2.2 (it came to nothing: No such key: class)' },
    });
  });

  it('is asked of each device', () => {
    const given = { '/vm/vfio': [{ id: 'a', type: 'mdev' }, { id: 'b' }], '/source/devices': {} };
    const decision = decide(rule("device.type == 'mdev'", { each: 'device', message: 'no {device.id}' }), given);
    expect(
      decision.findings
        .filter((each) => each.rule === 'site-test')
        .map(({ device, messages }) => [device, messages.site]),
    ).toEqual([['a', 'no a']]);
  });

  it('is asked of each container', () => {
    const decision = decide(
      rule("container.backend == 'legacy'", { each: 'container', message: '{container.tracker}' }),
    );
    expect(found(decision, 'site-test')).toMatchObject({ device: 'dev0', messages: { site: 'device' } });
  });

  it('sees what rules before it found', () => {
    const rules = [
      ...rule('true').rules,
      { id: 'site-later', when: "findings.fired('site-test')", verdict: 'risky' as const, message: 'later' },
    ];
    expect(siteFindings(decide({ rules }))).toEqual(['site-test fires site-refusal', 'site-later fires site-risk']);
  });

  it('may name changes that lift it, which a remedy then tries', () => {
    const parts = rule("source.qemu < version('11.0')", { liftedBy: ['other-qemu'] });
    const descriptor = descriptorWith({});
    const policy = policyOf(parts).at(NOW);
    const { remedies } = withRemedies(descriptor, evaluate(descriptor, { policy }), policy);
    expect(remedies?.map(({ verdict, changes }) => [verdict, changes.map(({ id }) => id)])).toEqual([
      ['allowed', ['other-qemu']],
    ]);
  });
});

describe('what the site accepts', () => {
  const who = { by: 'alice@example.org', why: 'Known here.', until: '2026-12-31' };
  const accept = (...entries: readonly object[]): Parts => ({
    accept: entries.map((entry) => ({ ...who, ...entry })) as NonNullable<PolicyContent['accept']>,
  });
  const hazards = (decision: Decision): string[] => [
    ...new Set(
      decision.findings.filter((each) => each.trigger && !each.accepted).map(({ trigger }) => String(trigger)),
    ),
  ];

  it('stays in the answer and does not count', () => {
    const plain = decide({}, mapped);
    expect(plain.verdict).toBe('risky');
    const events = hazards(plain);
    const decision = decide(accept(...events.map((trigger) => ({ trigger }))), mapped);
    expect(decision).toMatchObject({ verdict: 'allowed', because: [] });
    expect(decision.findings.map(({ rule }) => rule)).toEqual(plain.findings.map(({ rule }) => rule));
    expect(decision.findings[0]?.accepted).toEqual(who);
  });

  it.each<[what: string, entry: object, accepted: boolean]>([
    ['the rule', { rule: 'viommu-unmap-credit' }, true],
    ['another rule', { rule: 'viommu-dirty-rate' }, false],
    ['the trigger', { trigger: 'guest-unmap' }, true],
    ['another trigger', { trigger: 'reset' }, false],
    ['the device', { rule: 'viommu-unmap-credit', device: 'dev0' }, true],
    ['another device', { rule: 'viommu-unmap-credit', device: 'dev1' }, false],
    ['a label of the VM', { trigger: 'guest-unmap', labels: { class: 'batch' } }, true],
    ['all labels', { trigger: 'guest-unmap', labels: { class: 'batch', tenant: 'lab' } }, true],
    ['a label of another value', { trigger: 'guest-unmap', labels: { class: 'web' } }, false],
    ['a label that the VM has not', { trigger: 'guest-unmap', labels: { owner: 'x' } }, false],
  ])('is told by %s', (_what, entry, accepted) => {
    const given = { ...translated, '/vm/labels': { class: 'batch', tenant: 'lab' } };
    const finding = found(decide(accept(entry), given), 'viommu-unmap-credit');
    expect(finding?.accepted !== undefined).toBe(accepted);
  });

  it.each([
    ['on its last day', '2026-11-22', 'allowed'],
    ['the day after', '2026-11-21', 'risky'],
    ['before its moment', '2026-11-22T12:00:01Z', 'allowed'],
    ['at its moment', '2026-11-22T12:00:00Z', 'risky'],
    ['before its moment elsewhere', '2026-11-22T14:00:01+02:00', 'allowed'],
  ])('counts %s as it should', (_when, until, verdict) => {
    const events = hazards(decide({}, mapped));
    expect(decide(accept(...events.map((trigger) => ({ trigger, until }))), mapped).verdict).toBe(verdict);
  });

  it('is no loss that a remedy must avoid', () => {
    const policy = policyOf(accept(...hazards(decide({}, mapped)).map((trigger) => ({ trigger })))).at(NOW);
    const descriptor = descriptorWith({ ...mapped, '/vm/runtime': { dumping: true } });
    const { remedies = [] } = withRemedies(descriptor, evaluate(descriptor, { policy }), policy);
    expect(remedies[0]).toMatchObject({ changes: [{ id: 'finish-dump' }], verdict: 'allowed' });
  });

  it('warns once it has ended', () => {
    const decision = decide(accept({ rule: 'viommu-unmap-credit', until: '2026-11-01' }), mapped);
    expect(found(decision, 'policy-acceptance-ended')).toMatchObject({
      effect: 'warning',
      messages: {
        site: 'alice@example.org accepted viommu-unmap-credit (Known here.) until 2026-11-01: it counts again',
      },
    });
  });

  it('is another policy once it has ended', () => {
    const policy = policyOf(accept({ trigger: 'reset' }));
    const [before, after] = [policy.at(NOW), policy.at(before2027)];
    expect(before.changesAt).toBe(before2027);
    expect(after.changesAt).toBe(Infinity);
    expect(after.revision).not.toBe(before.revision);
    expect(policy.at(before2027 - 1).revision).toBe(before.revision);
  });
  const before2027 = Date.parse('2027-01-01T00:00:00Z');

  it('cannot be what QEMU refuses: that counts, with a warning', () => {
    // Of this rule only some cases refuse.
    const given = { '/source/devices/dev0/dmaLogging': false, '/source/iommu/dirtyTracking': false };
    const plain = decide({}, given);
    expect(found(plain, 'vfio-dirty-tracking')?.effect).toBe('blocker');
    const decision = decide(accept({ rule: 'vfio-dirty-tracking' }), given);
    expect(decision.verdict).toBe('blocked');
    expect(found(decision, 'vfio-dirty-tracking')?.accepted).toBeUndefined();
    expect(siteFindings(decision)).toEqual(['policy-acceptance-refused fires warning']);
  });

  it('may be what the site itself refuses', () => {
    const rules = [{ id: 'site-test', when: 'true', verdict: 'blocked' as const, message: 'no' }];
    const decision = decide(
      { rules, ...accept({ rule: 'site-test', labels: { class: 'batch' } }) },
      { '/vm/labels': { class: 'batch' } },
    );
    expect(decision.verdict).toBe('allowed');
    expect(found(decision, 'site-test')?.accepted).toEqual(who);
  });

  it('may be unknown, which then leaves nothing open', () => {
    const rules = [
      {
        id: 'site-test',
        when: 'source.iommufd && source.qemu > version("11.0")',
        verdict: 'risky' as const,
        message: 'no',
      },
    ];
    const given = { '/source/kernel': '6.12', '/source/qemu': undefined };
    expect(decide({ rules }, given).unknowns.flatMap(({ neededBy }) => neededBy)).toContain('site-test');
    const decision = decide({ rules, ...accept({ rule: 'site-test' }) }, given);
    expect(decision.unknowns.flatMap(({ neededBy }) => neededBy)).not.toContain('site-test');
  });
});

describe('a revision', () => {
  const text = 'version: 1\nlimits:\n  - { figure: unmapCalls, most: 1, verdict: risky }\n';
  const revisionOf = (yaml: string): string => parsePolicy(yaml).at(NOW).revision;

  it.each([
    ['a comment', `# Why.\n${text}`],
    ['another order of members', text.replace('most: 1, verdict: risky', 'verdict: risky, most: 1')],
    ['JSON', '{"version": 1, "limits": [{"figure": "unmapCalls", "most": 1, "verdict": "risky"}]}'],
  ])('is the same with %s', (_what, other) => {
    expect(revisionOf(other)).toBe(revisionOf(text));
  });

  it('is another with another content', () => {
    expect(revisionOf(text.replace('most: 1', 'most: 2'))).not.toBe(revisionOf(text));
  });

  it('is in the decision and in its address', () => {
    const parts: Parts = { limits: [{ figure: 'unmapCalls', most: 1, verdict: 'risky' }] };
    const [plain, decision] = [evaluate(descriptorWith({})), decide(parts)];
    expect(decision.policyRevision).toBe(revisionOf(text));
    expect(decision.decisionId).not.toBe(plain.decisionId);
    expect(decide(parts).decisionId).toBe(decision.decisionId);
  });
});

it.each([
  ["findings.fired('vfio-viommu')", true],
  ["devices.exists(d, d.fired('vfio-viommu'))", true],
  ['vm.running', false],
])('a policy looks behind refusals where it asks what was found: %s, %s', (when, looks) => {
  const rules = [{ id: 'site-test', when, verdict: 'risky' as const, message: 'x' }];
  expect(policyOf({ rules }).at(NOW).looksBehind).toBe(looks);
});

const NOTHING = decide({});

it('a policy that says nothing changes nothing but the address', () => {
  const { decisionId: _, policyRevision, ...decision } = NOTHING;
  const { decisionId: _id, ...plain } = evaluate(descriptorWith({}));
  expect(decision).toEqual(plain);
  expect(policyRevision).toMatch(/^[0-9a-f]{12}$/);
});

describe('placements under a policy', () => {
  const rules = [
    {
      id: 'site-newer',
      when: 'destination.qemu < source.qemu',
      verdict: 'blocked' as const,
      message: 'no QEMU older than {source.qemu}',
    },
  ];
  const able = { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: true } as const;
  const candidates = ['10.2.2', '10.0'].map((qemu) => ({ host: { qemu, kernel: '6.12', devices: { dev0: able } } }));
  const place = (parts: Parts) => {
    const policy = policyOf(parts).at(NOW);
    const steps = placementsOf({ ...descriptorWith({}), candidates }, undefined, policy);
    for (let step = steps.next(); ; step = steps.next()) if (step.done) return { placements: step.value, policy };
  };

  it('rest on what the site finds of both hosts, with each group and not with the source', () => {
    const { placements, policy } = place({ rules });
    expect(placements.policyRevision).toBe(policy.revision);
    expect(
      placements.groups.map(({ verdict, candidates: all, findings }) => [
        verdict,
        all.map(({ index }) => index),
        findings.filter(({ outcome }) => outcome === 'fires').map(({ rule }) => rule),
      ]),
    ).toEqual([
      ['allowed', [0], []],
      ['blocked', [1], ['site-newer']],
    ]);
    expect(placements.findings).toEqual([]);
  });

  it('tell with each group, too, what the site finds of the source alone', () => {
    const old = { id: 'site-old', when: 'source.qemu < version("11.0")', verdict: 'risky', message: 'old' } as const;
    const { placements } = place({ rules: [old] });
    expect(placements.groups.map(({ findings }) => findings.map(({ rule }) => rule))).toEqual([['site-old']]);
    expect(placements.findings).toEqual([]);
  });
});
