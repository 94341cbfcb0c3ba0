import { afterEach, describe, expect, it, vi } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { Trials } from '../../src/evaluation/trials.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

const vms = (count: number, backend = 'legacy'): Given => ({
  '/vm/vfio': Array.from({ length: count }, (_, index) => ({ id: `d${index}`, backend })),
});
const iommufd = { '/vm/vfio/0/backend': 'iommufd' };
const nothing = { '/source': {} };
const nobodyKnows = { '/source/devices': undefined };
const relaxed = { '/source/qemu': '11.1.3', '/vm/viommu': intel48, '/vm/vfio/0/enableMigration': 'on' };
const others = {
  '/vm/otherDevices': ['vhost-user-blk-pci', 'vhost-user-fs-pci', 'tpm-crb'].map((type) => ({ type })),
};

afterEach(() => vi.restoreAllMocks());

/** How many descriptors are judged to see what comes of missing facts: which verdicts there can be, and what each value decides. */
function judgedFor(given: Given): { verdicts: number; all: number } {
  const judged = vi.spyOn(Trials.prototype, 'judge');
  const descriptor = descriptorWith(given);
  evaluate(descriptor, { decides: false });
  const { length: ofVerdicts } = judged.mock.calls;
  evaluate(descriptor);
  return { verdicts: ofVerdicts, all: judged.mock.calls.length - ofVerdicts };
}

describe('a search over missing facts', () => {
  // Where fewer will do, the smaller number belongs here.
  it.each<{ name: string; given: Given; verdicts: number; all: number }>([
    { name: 'nothing is missing', given: {}, verdicts: 0, all: 0 },
    { name: 'a refusal settles it', given: { ...nobodyKnows, '/vm/viommu': intel48 }, verdicts: 0, all: 0 },
    { name: 'one fact, which decides', given: { '/source/devices/dev0/dmaLogging': undefined }, verdicts: 2, all: 4 },
    { name: 'one device of which nothing is known', given: nobodyKnows, verdicts: 2, all: 13 },
    { name: 'four of them', given: { ...vms(4), ...nobodyKnows }, verdicts: 2, all: 66 },
    { name: 'eight of them', given: { ...vms(8), ...nobodyKnows }, verdicts: 2, all: 126 },
    { name: 'two on a host of which nothing is known', given: { ...vms(2), ...nothing }, verdicts: 2, all: 196 },
    {
      name: 'two that iommufd has, on such a host, with a QEMU that may lose writes',
      given: { ...vms(2, 'iommufd'), ...nothing },
      verdicts: 163,
      all: 384,
    },
    { name: 'which QEMU it is', given: { '/source/qemu': undefined }, verdicts: 2, all: 13 },
    {
      name: 'which kernel, and what the host IOMMU can',
      given: { ...iommufd, '/source/kernel': undefined, '/source/devices/dev0/dmaLogging': undefined },
      verdicts: 4,
      all: 6,
    },
    {
      name: 'whether there is a vIOMMU, of which three verdicts may come',
      given: { ...relaxed, '/closed': false, '/vm/viommu': undefined, '/source/devices/dev0/dmaLogging': false },
      verdicts: 4,
      all: 8,
    },
    {
      name: 'risky or refused behind a vIOMMU',
      given: { ...relaxed, '/source/devices/dev0/dmaLogging': undefined },
      verdicts: 4,
      all: 6,
    },
    { name: 'other devices’ backends', given: { ...others, '/source/qemu': undefined }, verdicts: 9, all: 101 },
    { name: 'both hosts', given: { ...vms(2), ...nobodyKnows, '/destination': {} }, verdicts: 2, all: 200 },
  ])('judges no more than it must: $name', ({ given, verdicts, all }) => {
    const judged = judgedFor(given);
    expect(judged).toEqual({
      verdicts: Math.min(judged.verdicts, verdicts),
      all: Math.min(judged.all, all),
    });
  });
});
