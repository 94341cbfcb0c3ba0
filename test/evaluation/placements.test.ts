import { describe, expect, it } from 'vitest';
import type { HostDescriptor } from '../../src/descriptor/schema.ts';
import { placementsOf } from '../../src/evaluation/placements.ts';
import { placementRequest, type PlacementRequest, type Placements } from '../../src/evaluation/placements-schema.ts';
import { descriptorWith, type Given } from '../rules/rule-tester.ts';

const able = { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: true } as const;
const fit: HostDescriptor = { qemu: '10.2.2', kernel: '6.12', devices: { dev0: able } };

/** Every answer, to the end. */
function place(given: Given, candidates: PlacementRequest['candidates']): { answer: Placements; turns: number } {
  const { destination: _, ...vm } = descriptorWith(given);
  const steps = placementsOf(placementRequest.parse({ ...vm, candidates }));
  for (let turns = 0; ; turns++) {
    const step = steps.next();
    if (step.done) return { answer: step.value, turns };
  }
}

const hosts = (...all: readonly HostDescriptor[]): PlacementRequest['candidates'] =>
  all.map((host, index) => ({ ref: `h${index}`, host }));

/** "allowed: h0 h2" */
const told = ({ groups }: Placements): string[] =>
  groups.map(({ verdict, candidates }) => `${verdict}: ${candidates.map(({ ref }) => ref).join(' ')}`);

const without = (ability: object): HostDescriptor => ({ ...fit, devices: { dev0: { ...able, ...ability } } });

describe('placements', () => {
  it.each<{ name: string; given: Given; candidates: readonly HostDescriptor[]; groups: string[] }>([
    {
      name: 'the best first, then as listed',
      given: {},
      candidates: [without({ protocol: 'none' }), {}, fit, without({ stopCopy: false })],
      groups: ['allowed: h2', 'unknown: h1', 'blocked: h0', 'blocked: h3'],
    },
    {
      name: 'hosts with the same reasons together, whatever else they are like',
      given: {},
      candidates: [
        without({ protocol: 'none' }),
        fit,
        { ...fit, kernel: '6.6' },
        without({ protocol: 'none', p2p: true }),
      ],
      groups: ['allowed: h1 h2', 'blocked: h0 h3'],
    },
    {
      name: 'apart, hosts of which not the same is missing',
      given: {},
      candidates: [without({ protocol: undefined }), without({ stopCopy: undefined })],
      groups: ['unknown: h0', 'unknown: h1'],
    },
    {
      name: 'a blocker there is a one-way door',
      given: {},
      candidates: [without({ dmaLogging: false }), fit],
      groups: ['allowed: h0', 'allowed: h1'],
    },
    {
      name: 'what the source refuses goes nowhere',
      given: { '/vm/vfio/0/enableMigration': 'off' },
      candidates: [fit, fit],
      groups: ['blocked: h0 h1'],
    },
  ])('$name', ({ given, candidates, groups }) => {
    expect(told(place(given, hosts(...candidates)).answer)).toEqual(groups);
  });

  it('say what is found on the source once, and on the destination by group', () => {
    const { answer } = place({ '/source/devices/dev0/stopCopy': false }, hosts(fit, without({ stopCopy: false })));
    expect(answer.findings.map(({ rule, host }) => [rule, host])).toEqual([['vfio-migration-init', 'source']]);
    expect(answer.groups.map(({ findings }) => findings.map(({ rule, host }) => [rule, host]))).toEqual([
      [],
      [['vfio-migration-init', 'destination']],
    ]);
  });

  it('take hosts that are written differently for the same', () => {
    const written: HostDescriptor[] = [
      { ...fit, memory: '1GiB' },
      { memory: 2 ** 30, ...fit },
    ];
    const { answer } = place({}, hosts(...written));
    expect(told(answer)).toEqual(['allowed: h0 h1']);
  });

  it('report what is wrong with a candidate, and place the others', () => {
    const { answer } = place({}, [
      { ref: 'a', host: { ...fit, qemu: 'newest' } },
      { host: { ...fit, devices: { dev1: {} } } },
      { ref: 'c', host: fit },
    ]);
    expect(told(answer)).toEqual(['allowed: c']);
    expect(answer.groups[0]?.candidates).toEqual([{ index: 2, ref: 'c' }]);
    expect(answer.invalid).toEqual([
      {
        index: 0,
        ref: 'a',
        errors: [
          { pointer: '/candidates/0/host/qemu', detail: 'no version in "newest"; expected one such as "10.2.2"' },
        ],
      },
      {
        index: 1,
        errors: [
          {
            pointer: '/candidates/1/host/devices/dev1',
            detail: 'no device in /vm/vfio has this id; the nearest is "dev0"',
          },
        ],
      },
    ]);
  });

  it('have the name that the question has, and candidates theirs, or none', () => {
    const { answer } = place({ '/ref': 'web-1' }, [{ host: fit }]);
    expect(answer.ref).toBe('web-1');
    expect(answer.groups[0]?.candidates).toStrictEqual([{ index: 0 }]);
    const { answer: nameless } = place({}, hosts(fit));
    expect(nameless).not.toHaveProperty('ref');
    expect(nameless).not.toHaveProperty('policyRevision');
    expect(nameless.assumptions).toEqual([]);
  });

  it('know the ids that devices were given', () => {
    const given = { '/vm/vfio/0/id': 'gpu', '/source/devices': { gpu: able } };
    expect(told(place(given, hosts({ ...fit, devices: { gpu: able } })).answer)).toEqual(['allowed: h0']);
  });

  it('say so where too much is unknown to try it all', () => {
    const given = { '/vm/vfio': Array.from({ length: 16 }, () => ({ backend: 'iommufd' })), '/source': {} };
    const { answer } = place(given, hosts({ ...fit, devices: {} }, {}));
    expect(answer.assumptions.join()).toMatch(/^too much is unknown/);
  });

  it('say what lifts a finding on the source even where no candidate is valid', () => {
    const { answer } = place({ '/vm/vfio/0/enableMigration': 'off' }, hosts({ qemu: 'newest' }));
    expect(answer.findings.map(({ liftedBy }) => liftedBy.includes('enable-migration'))).toEqual([true]);
  });

  it('let others in after each candidate', () => {
    expect(place({}, hosts(fit, fit, fit)).turns).toBe(3);
  });
});
