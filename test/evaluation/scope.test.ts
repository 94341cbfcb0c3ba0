import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, type Given } from '../rules/rule-tester.ts';

const notChecked = (given: Given): string[] => evaluate(descriptorWith(given)).scope.notChecked;

describe('an answer names what it does not judge', () => {
  it.each<[string, Given, string]>([
    [
      'a capability that no rule reads',
      { '/migration': { capabilities: ['postcopy-ram', 'xbzrle'] } },
      'migration capability xbzrle',
    ],
    [
      'a device that no rule knows and nobody looked at',
      { '/vm/otherDevices': ['cxl-type3', 'nvme', 'VGA', 'usb-redir', 'isa-fdc'].map((type) => ({ type })) },
      'devices of model cxl-type3',
    ],
    [
      'no capability that one reads',
      {
        '/migration': {
          capabilities: [
            'background-snapshot',
            'mapped-ram',
            'multifd',
            'postcopy-ram',
            'return-path',
            'switchover-ack',
            'x-colo',
            'zero-blocks',
          ],
        },
      },
      'migration capability zero-blocks',
    ],
    [
      'a model of which there are two, once, beside one that a rule is about',
      { '/vm/otherDevices': ['cxl-type3', 'ivshmem-plain', 'cxl-type3'].map((type) => ({ type })) },
      'devices of model cxl-type3',
    ],
    ['a guest of TDX', { '/vm/confidential': 'tdx' }, 'confidential computing (tdx)'],
    [
      'an mdev behind an accelerated arm-smmuv3',
      { '/vm/viommu': { model: 'smmuv3', accel: true }, '/vm/vfio/0/type': 'mdev' },
      'device dev0: an mdev behind an accelerated arm-smmuv3',
    ],
  ])('%s', (_name, given, expected) => {
    expect(notChecked(given)).toEqual([...notChecked({}), expected]);
  });

  it.each<[string, Given]>([
    ['behind one that is not accelerated', { '/vm/viommu': { model: 'smmuv3' }, '/vm/vfio/0/type': 'mdev' }],
    ['that bypasses it', { '/vm/vfio/0/type': 'mdev', '/vm/vfio/0/address': { bypassIommu: true } }],
    ['that is a device of its own', {}],
  ])('but no mdev behind an accelerated arm-smmuv3 where there is a device %s', (_name, given) => {
    expect(notChecked({ '/vm/viommu': { model: 'smmuv3', accel: true }, ...given })).toEqual(notChecked({}));
  });

  it('promises nothing of storage and network', () => {
    expect(notChecked({})).toEqual(expect.arrayContaining(['storage', 'network', 'CPU model compatibility']));
  });
});
