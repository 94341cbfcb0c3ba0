import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, intel48, testRule } from './rule-tester.ts';

const behind = {
  '/source/qemu': '11.1.3',
  '/vm/viommu': intel48,
  '/vm/vfio/0/enableMigration': 'on',
  '/source/devices/dev0/dmaLogging': false,
};

testRule('viommu-dirty-rate', {
  fires: [
    { name: 'type1 calls every page dirty', given: behind, effect: 'data-loss', says: null },
    {
      name: 'though its migration is blocked',
      given: { ...behind, '/vm/vfio/0/enableMigration': 'auto' },
      effect: 'data-loss',
      says: null,
    },
  ],
  clear: [
    { name: 'nobody measures', given: { ...behind, '/migration/guestEvents': ['domain-switch'] } },
    { name: 'the guest stays in its domain', given: { ...behind, '/migration/guestEvents': ['dirty-rate'] } },
    { name: 'an mdev pins no pages', given: { ...behind, '/vm/vfio/0/type': 'mdev' } },
    { name: 'the search mended', given: { ...behind, '/source/behaviours': { domainUnmap: 'tracked' } } },
    { name: '10.2 only prints errors', given: { ...behind, '/source/qemu': '10.2.2' } },
  ],
  unknown: [
    {
      name: 'the device may log by itself',
      given: { ...behind, '/source/devices/dev0/dmaLogging': undefined },
      lacks: ['/source/devices/dev0/dmaLogging'],
    },
  ],
});

describe('a hazard without a migration', () => {
  it('stands beside a blocker, not in its shadow', () => {
    const { findings } = evaluate(descriptorWith({ ...behind, '/vm/vfio/0/enableMigration': 'auto' }));
    const reached = findings.filter(({ shadowedBy }) => shadowedBy === undefined).map(({ rule }) => rule);
    expect(reached).toEqual(['vfio-dirty-tracking', 'viommu-dirty-rate']);
    expect(findings[0]?.reportedBy).toEqual(['query-migrate', 'migrate']);
  });
});
