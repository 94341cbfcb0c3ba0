import { describe, expect, it } from 'vitest';
import { resolve } from '../../src/descriptor/scenario.ts';
import { findingsIn, findingsSince } from '../../src/rules/judge.ts';
import { descriptorWith, type Given, intel48 } from './rule-tester.ts';

const sourceOf = (given: Given) => resolve(descriptorWith(given), 'source');
const told = (findings: ReturnType<typeof findingsIn>): string[] =>
  findings.map(({ rule, outcome, device }) => `${rule.id} ${outcome} ${device}`).toSorted();

describe('what is found once more is known', () => {
  it.each<[name: string, before: Given, known: Given]>([
    ['what fired stays', { '/vm/viommu': intel48, '/vm/cpu': { invtsc: true } }, { '/source/qemu': '10.2.2' }],
    ['what was open fires', { '/source/devices/dev0': {} }, { '/source/devices/dev0': { protocol: 'none' } }],
    ['what was open is clear', { '/source/devices/dev0/p2p': undefined }, { '/source/devices/dev0/p2p': true }],
    ['part of it is still open', { '/source': {} }, { '/source': { qemu: '10.2.2' } }],
    ['of a VM that runs', { '/source': {}, '/state': 'running' }, { '/source': { qemu: '8.0' } }],
  ])('is what is found at once: %s', (_name, given, known) => {
    const before = findingsIn(sourceOf({ '/source/qemu': undefined, ...given }));
    const after = sourceOf({ ...given, ...known });
    expect(before.length).toBeGreaterThan(0);
    expect(told(findingsSince(before, after))).toEqual(told(findingsIn(after)));
  });
});
