import { describe, expect, it } from 'vitest';
import { questionAt } from '../../src/descriptor/questions.ts';
import { Trials } from '../../src/evaluation/trials.ts';
import type { SitePolicy } from '../../src/policy/site-policy.ts';
import { descriptorWith, type Given } from '../rules/rule-tester.ts';

const disks = (count: number) => Array.from({ length: count }, (_, index) => ({ node: `n${index}`, format: 'qcow2' }));
const others = (count: number) => Array.from({ length: count }, () => ({ type: 'virtio-net-pci' }));
const mapping = { iova: '0x0', pageSize: '4KiB', count: 7 };

/** How much of what trials may spend judging it once takes. */
function costOf(given: Given): number {
  const descriptor = descriptorWith(given);
  const costs = Array.from({ length: 64 }, (_, left) => left);
  return costs.find((left) => new Trials(null, left).judge(descriptor) !== null) ?? Number.POSITIVE_INFINITY;
}

describe('judging', () => {
  it.each<[string, Given, number]>([
    ['no device', { '/vm/vfio': [] }, 1],
    ['one device', {}, 1],
    ['three', { '/vm/vfio': [{}, {}, {}] }, 3],
    ['one with two runs of mappings', { '/vm/vfio/0/mappings': [mapping, mapping] }, 3],
    ['four other devices or disks', { '/vm/otherDevices': others(3), '/vm/disks': disks(1) }, 2],
    ['five of them', { '/vm/otherDevices': others(3), '/vm/disks': disks(2) }, 3],
    ['two hosts', { '/vm/vfio': [{}, {}, {}], '/destination': {} }, 6],
  ])('%s costs so much', (_name, given, cost) => {
    expect(costOf(given)).toBe(cost);
  });

  it('is paid by what may be spent in all, too', () => {
    const descriptor = descriptorWith({});
    const all = new Trials(null, 2);
    const part = all.within(5);
    expect([part.judge(descriptor), part.judge(descriptor)].map((found) => found !== null)).toEqual([true, true]);
    expect([part.isSpent, all.isSpent]).toEqual([false, false]);
    expect(part.judge(descriptor)).toBeNull();
    expect([part.isSpent, all.isSpent]).toEqual([true, true]);
  });

  it('goes no further than its part, and leaves the rest to others', () => {
    const descriptor = descriptorWith({});
    const all = new Trials(null, 9);
    const part = all.within(1);
    part.judge(descriptor);
    expect(part.judge(descriptor)).toBeNull();
    expect([part.isSpent, all.isSpent]).toEqual([true, false]);
    expect(all.judge(descriptor)).not.toBeNull();
  });
});

describe('the values of a missing fact', () => {
  const pointer = '/source/devices/dev0/protocol';
  const { values } = questionAt(pointer);
  it.each<[string, unknown[], unknown[]]>([
    ['nothing more', [], ['v2', 'v1', 'none']],
    ['a value that nobody else asks for, between the best and the worst', ['v3'], ['v2', 'v1', 'v3', 'none']],
    ['one that is there', ['v1', 'none'], ['v2', 'v1', 'none']],
  ])('are those of the rules, and of the site: %s', (_name, more, expected) => {
    const site = { valuesAt: () => more } as unknown as SitePolicy;
    expect(new Trials(site).valuesAt(pointer)).toEqual(expected);
    expect(new Trials(null).valuesAt(pointer)).toBe(values);
  });
});
