import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, type Given } from '../rules/rule-tester.ts';

const notChecked = (given: Given): string[] => evaluate(descriptorWith(given)).scope.notChecked;

describe('an answer names what it does not judge', () => {
  it.each<[string, Given, string]>([
    ['a device of another kind', { '/vm/vfio/0/type': 'vfio-ap' }, 'device dev0 (vfio-ap)'],
    [
      'another mode',
      { '/migration': { mode: 'cpr-reboot' } },
      'migration mode cpr-reboot: the blockers are those of mode normal',
    ],
    [
      'capabilities',
      { '/migration': { capabilities: ['postcopy-ram'] } },
      'capabilities and parameters of the migration',
    ],
    ['a confidential guest', { '/vm/confidential': 'tdx' }, 'confidential computing (tdx)'],
    ['what was seen of a running VM', { '/vm/runtime': { dumping: true } }, 'what the running VM was seen to do'],
    [
      'a backend that QEMU does not have',
      { '/source/qemu': '8.2', '/vm/vfio/0/backend': 'iommufd' },
      'device dev0: this QEMU has no iommufd backend',
    ],
    [
      'an amd-iommu',
      { '/vm/viommu': { model: 'amd' } },
      'whether this amd-iommu takes VFIO devices and can itself be migrated',
    ],
    [
      'another vIOMMU',
      { '/vm/viommu': { model: 'virtio' } },
      'what virtio vIOMMUs unmap when the guest switches domain',
    ],
  ])('%s', (_name, given, expected) => {
    expect(notChecked(given)).toEqual([...notChecked({}), expected]);
  });

  it('promises nothing of storage and network', () => {
    expect(notChecked({})).toEqual(expect.arrayContaining(['storage', 'network', 'CPU model compatibility']));
  });
});
