import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

/** What QEMU ends with as it starts. */
const startErrors = (given: Given): (string | undefined)[] =>
  evaluate(descriptorWith(given)).findings.flatMap(({ effect, reportedBy, messages }) =>
    effect === 'start-failure' && reportedBy.includes('start') ? [messages.start] : [],
  );

describe('of several start errors QEMU says the first it comes to', () => {
  it.each<[name: string, given: Given, says: string]>([
    [
      'a property that QEMU does not have, before what its value would break',
      { '/vm/viommu': { ...intel48, svm: true, addressWidth: 57 }, '/source/qemu': '10.0.2' },
      "Property 'intel-iommu.svm' not found",
    ],
    [
      'the vIOMMU, before any device',
      {
        '/vm/viommu': { ...intel48, addressWidth: 57, cachingMode: false },
        '/vm/vfio/0/ats': 'on',
        '/vm/vfio/0/enableMigration': 'on',
      },
      'Legacy mode: supported values for aw-bits are: 39, 48',
    ],
    [
      'scalable mode, before the width that it allows',
      { '/vm/viommu': { ...intel48, firstStage: true, addressWidth: 39 }, '/source/qemu': '11.1.3' },
      'fsts is only available in scalable mode',
    ],
    [
      'amd-iommu under -only-migratable, before the device behind it',
      { '/vm/viommu': { model: 'amd' }, '/vm/onlyMigratable': true, '/source/devices/dev0/dmaLogging': false },
      'Device amd-iommu is not migratable, but --only-migratable was specified',
    ],
    [
      'a device whose state cannot be saved under -only-migratable, before one that is realized after it',
      {
        '/vm/otherDevices': [{ type: 'nvme', id: 'nvme0' }],
        '/vm/onlyMigratable': true,
        '/source/devices/dev0/dmaLogging': false,
      },
      'Device nvme is not migratable, but --only-migratable was specified',
    ],
    [
      'a property of the device, before it is realized',
      { '/vm/viommu': { ...intel48, cachingMode: false }, '/vm/vfio/0/ats': 'on' },
      "Property 'vfio-pci.ats' not found",
    ],
    [
      'the vIOMMU’s look at the device, before migration is prepared',
      {
        '/vm/viommu': { ...intel48, scalableMode: true, firstStage: true },
        '/vm/vfio/0/enableMigration': 'on',
        '/source/qemu': '11.1.3',
      },
      'vfio 0000:3b:00.1: Failed to set vIOMMU: Need IOMMUFD backend when fsts=on',
    ],
    [
      'the host IOMMU’s kind, before what it can do',
      {
        '/vm/viommu': { ...intel48, scalableMode: true, firstStage: true, pasidBits: 20 },
        '/vm/vfio/0/backend': 'iommufd',
        '/vm/vfio/0/address': { behindPciBridge: true },
        '/source/iommu': { vendor: 'amd', dirtyTracking: false, addressWidth: 48, firstStage1g: false, pasidBits: 16 },
        '/source/qemu': '11.1.3',
      },
      'vfio 0000:3b:00.1: Failed to set vIOMMU: Incompatible host platform IOMMU type …',
    ],
  ])('%s', (_name, given, says) => {
    expect(startErrors(given)).toEqual([says]);
  });
});
