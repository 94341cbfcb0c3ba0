import { expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, intel48, testRule } from './rule-tester.ts';

const off = { '/vm/viommu': { ...intel48, cachingMode: false }, '/vm/vfio/0/type': 'mdev' };

testRule('viommu-caching-mode-mdev', {
  fires: [
    {
      name: 'the guest may turn translation on',
      given: { ...off, '/source/qemu': '11.1.3' },
      effect: 'migration-failure',
      says: 'device … requires caching mode: Operation not supported',
    },
  ],
  clear: [
    { name: 'caching mode', given: { ...off, '/vm/viommu': intel48 } },
    { name: 'a physical device is refused at once', given: { ...off, '/vm/vfio/0/type': undefined } },
    { name: '10.1 exits at once', given: { ...off, '/source/qemu': '10.1' } },
    { name: 'the device bypasses the vIOMMU', given: { ...off, '/vm/defaultBusBypassIommu': true } },
    { name: 'the guest is known not to', given: { ...off, '/migration/guestEvents': ['unmap'] } },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...off, '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});

it('happens whether the VM can be migrated or not', () => {
  const { findings } = evaluate(descriptorWith({ ...off, '/source/qemu': '11.1.3' }));
  expect(findings.find(({ rule }) => rule === 'vfio-viommu')?.effect).toBe('blocker');
  expect(findings.find(({ rule }) => rule === 'viommu-caching-mode-mdev')?.shadowedBy).toBeUndefined();
});
