import { describe, expect, it } from 'vitest';
import { check } from '../../src/descriptor/check.ts';
import { valueAt, withValueAt } from '../../src/descriptor/pointer.ts';
import { type Descriptor, descriptor as schema } from '../../src/descriptor/schema.ts';
import type { Concern, Edit } from '../../src/evaluation/changes/edit.ts';
import { changeKinds } from '../../src/evaluation/changes/index.ts';
import { kernelReleases } from '../../src/platform/kernel.ts';
import { type Change, changes } from '../../src/rules/change.ts';
import { fill } from '../../src/rules/words.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

interface Case {
  readonly change: Change;
  readonly given: Given;
  /** What the findings are about, beside the first device and the source. */
  readonly concern?: Partial<Concern>;
  /** What is set, by place; `undefined`: left out. Nothing where the change is made already or does not apply. */
  readonly sets: Given;
  /** What the operator is told of each, where that is more than the place and the value. */
  readonly words?: Readonly<Record<string, string>>;
}

const device = '/vm/vfio/0';
const twoDevices = { '/vm/vfio': [{ id: 'a' }, { id: 'b' }], '/source/devices': {} };
const others = [{ type: 'virtio-net-pci' }, { type: 'ivshmem-plain', id: 'shm' }, { type: 'nvme' }];
const firstOther = { items: ['/vm/otherDevices/1'] };
const lastOther = { items: ['/vm/otherDevices/2'] };
const there = { '/destination': { qemu: '9.0', kernel: '6.1' } };
const halfOf = { type1: { maxDirtyBitmapSize: '128MiB' } };
/** 1 GiB of RAM and 256 KiB of firmware, which type1 finds dirty on every pass. */
const allDirty: Given = {
  '/vm/memory': '1GiB',
  '/source/devices/dev0/dmaLogging': false,
  '/vm/vfio/0/enableMigration': 'on',
};
/** 1 GiB of RAM of which the guest may dirty as much as it likes, while the device tells what it writes itself. */
const mayBeDirty: Given = { '/vm/memory': '1GiB' };
const GIB = 2 ** 30;
const bothHosts = { sides: ['source', 'destination'] } as const;

/** Each change once where it applies, and where it is made already or cannot be. */
const cases: readonly Case[] = [
  {
    change: 'capability-off',
    given: { '/migration': { capabilities: ['xbzrle', 'postcopy-ram'] } },
    concern: { rules: ['vfio-postcopy'] },
    sets: { '/migration/capabilities': ['xbzrle'] },
  },
  {
    change: 'capability-off',
    given: { '/migration': { capabilities: ['x-colo', 'mapped-ram', 'postcopy-ram'] } },
    concern: { rules: ['migration-cpr', 'vfio-device-state'] },
    sets: { '/migration/capabilities': ['mapped-ram'] },
    words: { off: 'x-colo, postcopy-ram' },
  },
  { change: 'capability-off', given: {}, concern: { rules: ['vfio-postcopy'] }, sets: {} },
  {
    change: 'capability-off',
    given: { '/migration': { capabilities: ['xbzrle'] } },
    concern: { rules: ['vfio-device-state'] },
    sets: {},
  },
  { change: 'normal-mode', given: { '/migration': { mode: 'cpr-reboot' } }, sets: { '/migration/mode': 'normal' } },
  { change: 'normal-mode', given: {}, sets: {} },
  {
    change: 'uncompressed',
    given: { '/migration': { parameters: { multifdCompression: 'zstd' } } },
    sets: { '/migration/parameters/multifdCompression': 'none' },
  },
  { change: 'uncompressed', given: {}, sets: {} },
  { change: 'uncompressed', given: { '/migration': {} }, sets: {} },
  {
    // In 300 ms, QEMU's default.
    change: 'more-bandwidth',
    given: { ...allDirty, '/migration': { parameters: { bandwidth: '1GiB' } } },
    sets: { '/migration/parameters/bandwidth': 3_580_013_227 },
  },
  { change: 'more-bandwidth', given: { ...allDirty, '/migration': { parameters: { bandwidth: '8GiB' } } }, sets: {} },
  { change: 'more-bandwidth', given: allDirty, sets: {} },
  {
    // To the byte what it takes.
    change: 'more-bandwidth',
    given: { ...allDirty, '/migration': { parameters: { bandwidth: 3_580_013_227 } } },
    sets: {},
  },
  {
    // All of memory may be dirty, which is more than what is dirty for certain.
    change: 'more-bandwidth',
    given: {
      ...mayBeDirty,
      '/vm/hotplugged': [{ model: 'dimm', size: '1GiB' }],
      '/migration': { parameters: { bandwidth: '1GiB', downtimeLimitMs: 1000 } },
    },
    sets: { '/migration/parameters/bandwidth': 2 * GIB },
  },
  {
    change: 'more-bandwidth',
    given: { ...allDirty, '/migration': { parameters: { bandwidth: '1GiB', downtimeLimitMs: 0 } } },
    sets: {},
  },
  {
    // No number for it that JSON keeps.
    change: 'more-bandwidth',
    given: {
      ...allDirty,
      '/vm/memory': '16TiB',
      '/migration': { parameters: { bandwidth: '1GiB', downtimeLimitMs: 1 } },
    },
    sets: {},
  },
  {
    change: 'more-bandwidth',
    given: { [`${device}/unpluggedForMigration`]: true, '/migration': { parameters: { bandwidth: '1GiB' } } },
    sets: {},
  },
  {
    change: 'more-bandwidth',
    given: { '/source/devices/dev0/dmaLogging': undefined, '/migration': { parameters: { bandwidth: '1GiB' } } },
    sets: {},
  },
  {
    change: 'longer-downtime',
    given: { ...allDirty, '/migration': { parameters: { bandwidth: '1GiB' } } },
    sets: { '/migration/parameters/downtimeLimitMs': 1001 },
  },
  {
    // It divides to the byte.
    change: 'longer-downtime',
    given: { ...allDirty, '/migration': { parameters: { bandwidth: GIB + 256 * 1024 } } },
    sets: { '/migration/parameters/downtimeLimitMs': 1000 },
  },
  {
    change: 'longer-downtime',
    given: { ...allDirty, '/migration': { parameters: { bandwidth: '1GiB', downtimeLimitMs: 1001 } } },
    sets: {},
  },
  {
    change: 'longer-downtime',
    given: { ...mayBeDirty, '/migration': { parameters: { bandwidth: '1GiB' } } },
    sets: { '/migration/parameters/downtimeLimitMs': 1000 },
  },
  { change: 'longer-downtime', given: { ...allDirty, '/migration': { parameters: { bandwidth: '8GiB' } } }, sets: {} },
  {
    // The longest that QEMU takes, and a little more.
    change: 'longer-downtime',
    given: { ...allDirty, '/migration': { parameters: { bandwidth: 537_002 } } },
    sets: { '/migration/parameters/downtimeLimitMs': 2_000_000 },
  },
  { change: 'longer-downtime', given: { ...allDirty, '/migration': { parameters: { bandwidth: 537_001 } } }, sets: {} },
  { change: 'longer-downtime', given: { ...allDirty, '/migration': { parameters: { bandwidth: '1B' } } }, sets: {} },
  { change: 'longer-downtime', given: allDirty, sets: {} },
  {
    change: 'finish-dump',
    given: { '/vm/runtime': { dumping: true } },
    sets: { '/vm/runtime/dumping': false },
  },
  { change: 'finish-dump', given: {}, sets: {} },
  { change: 'suspend-guest', given: {}, sets: { '/vm/runtime/suspended': true } },
  { change: 'suspend-guest', given: { '/vm/runtime': { suspended: true } }, sets: {} },
  { change: 'unplug-for-migration', given: {}, sets: { [`${device}/unpluggedForMigration`]: true } },
  {
    change: 'unplug-for-migration',
    given: twoDevices,
    concern: { devices: [0, 1] },
    sets: { '/vm/vfio/0/unpluggedForMigration': true, '/vm/vfio/1/unpluggedForMigration': true },
  },
  { change: 'unplug-for-migration', given: { [`${device}/unpluggedForMigration`]: true }, sets: {} },
  {
    change: 'detach-device',
    given: { '/vm/otherDevices': others },
    concern: lastOther,
    sets: { '/vm/otherDevices/2': undefined },
    words: { device: 'nvme' },
  },
  {
    change: 'detach-device',
    given: { '/vm/otherDevices': others },
    concern: firstOther,
    sets: { '/vm/otherDevices/1': undefined },
    words: { device: 'shm' },
  },
  {
    // One that is gone already.
    change: 'detach-device',
    given: { '/vm/otherDevices': others },
    concern: { items: ['/vm/otherDevices/3'] },
    sets: {},
  },
  { change: 'detach-device', given: { '/vm/otherDevices': others }, sets: {} },
  { change: 'enable-migration', given: {}, sets: { [`${device}/enableMigration`]: 'on' } },
  {
    change: 'enable-migration',
    given: { [`${device}/enableMigration`]: 'off' },
    sets: { [`${device}/enableMigration`]: 'auto' },
  },
  {
    change: 'enable-migration',
    given: { '/source/qemu': '8.0', [`${device}/enableMigration`]: 'off' },
    sets: { [`${device}/enableMigration`]: 'on' },
  },
  { change: 'enable-migration', given: { '/source/qemu': '8.0' }, sets: { [`${device}/enableMigration`]: 'on' } },
  { change: 'enable-migration', given: { [`${device}/enableMigration`]: 'on' }, sets: {} },
  { change: 'device-dirty-tracking-off', given: {}, sets: { [`${device}/deviceDirtyTracking`]: 'off' } },
  { change: 'device-dirty-tracking-off', given: { [`${device}/deviceDirtyTracking`]: 'off' }, sets: {} },
  { change: 'iommufd', given: {}, sets: { [`${device}/backend`]: 'iommufd' } },
  { change: 'iommufd', given: { [`${device}/backend`]: 'iommufd' }, sets: {} },
  {
    change: 'legacy-backend',
    given: { [`${device}/backend`]: 'iommufd', [`${device}/iommufdObject`]: 'iommufd0' },
    sets: { [`${device}/backend`]: 'legacy', [`${device}/iommufdObject`]: undefined },
  },
  { change: 'legacy-backend', given: {}, sets: {} },
  {
    change: 'legacy-backend',
    given: { [`${device}/backend`]: 'iommufd' },
    sets: { [`${device}/backend`]: 'legacy' },
  },
  {
    change: 'multifd-transfer-auto',
    given: { [`${device}/multifdTransfer`]: 'on' },
    sets: { [`${device}/multifdTransfer`]: 'auto' },
  },
  { change: 'multifd-transfer-auto', given: {}, sets: {} },
  {
    change: 'ramfb-migrate-off',
    given: { [`${device}/ramfbMigrate`]: 'on' },
    sets: { [`${device}/ramfbMigrate`]: 'off' },
  },
  { change: 'ramfb-migrate-off', given: {}, sets: {} },
  { change: 'ats-auto', given: { [`${device}/ats`]: 'on' }, sets: { [`${device}/ats`]: 'auto' } },
  { change: 'ats-auto', given: {}, sets: {} },
  { change: 'bypass-viommu', given: { '/vm/viommu': intel48 }, sets: { [`${device}/address/bypassIommu`]: true } },
  { change: 'bypass-viommu', given: {}, sets: {} },
  { change: 'bypass-viommu', given: { '/vm/viommu': intel48, '/vm/defaultBusBypassIommu': true }, sets: {} },
  { change: 'raise-memlock', given: { '/source/memlockLimit': '1GiB' }, sets: { '/source/memlockLimit': 'unlimited' } },
  { change: 'raise-memlock', given: {}, sets: {} },
  { change: 'raise-dma-entry-limit', given: {}, sets: { '/source/type1/dmaEntryLimit': 131070 } },
  {
    // Twice what all devices map.
    change: 'raise-dma-entry-limit',
    given: {
      [`${device}/mappings`]: [
        { iova: '0x0', pageSize: '4KiB', count: 60_000 },
        { iova: '0x100000000', pageSize: '4KiB', count: 40_000 },
      ],
    },
    sets: { '/source/type1/dmaEntryLimit': 200_000 },
  },
  {
    change: 'raise-dma-entry-limit',
    given: { '/source/type1': { dmaEntryLimit: 2 ** 30 - 1 } },
    sets: { '/source/type1/dmaEntryLimit': 2 ** 31 - 2 },
  },
  { change: 'raise-dma-entry-limit', given: { '/source/type1': { dmaEntryLimit: 2 ** 30 } }, sets: {} },
  {
    change: 'raise-dma-entry-limit',
    given: { [`${device}/mappings`]: [{ iova: '0x0', pageSize: '4KiB', count: 2 ** 31 }] },
    sets: {},
  },
  { change: 'other-qemu', given: {}, sets: { '/source/qemu': '11.1' } },
  {
    change: 'other-qemu',
    given: { '/source/qemu': '11.1.3', '/source/behaviours': { viommuBlock: 'never' } },
    sets: { '/source/behaviours': undefined },
  },
  { change: 'other-qemu', given: { '/source/qemu': '12.0' }, sets: {} },
  { change: 'other-qemu', given: { '/source/qemu': undefined }, sets: { '/source/qemu': '11.1' } },
  {
    change: 'other-qemu',
    given: { '/source/behaviours': { viommuBlock: 'never' } },
    sets: { '/source/qemu': '11.1', '/source/behaviours': undefined },
  },
  {
    change: 'other-qemu',
    given: { '/destination': { qemu: '11.1' } },
    concern: { sides: ['destination'] },
    sets: {},
  },
  {
    // Of no other host than the source.
    change: 'other-qemu',
    given: {},
    concern: { sides: ['destination'] },
    sets: { '/destination/qemu': '11.1' },
  },
  {
    change: 'other-qemu',
    given: there,
    concern: bothHosts,
    sets: { '/source/qemu': '11.1', '/destination/qemu': '11.1' },
  },
  { change: 'other-kernel', given: { '/source/kernel': '5.4' }, sets: { '/source/kernel': kernelReleases.at(-1) } },
  { change: 'other-kernel', given: { '/source/kernel': '7.1' }, sets: {} },
  {
    change: 'viommu-address-width-39',
    given: { '/vm/viommu': intel48 },
    sets: { '/vm/viommu/addressWidth': 39 },
  },
  { change: 'viommu-address-width-39', given: {}, sets: {} },
  {
    change: 'viommu-address-width-39',
    given: {
      '/vm/viommu': intel48,
      [`${device}/mappings`]: [{ iova: '0x7fffffe000', pageSize: '4KiB', count: 3 }],
    },
    sets: {},
  },
  {
    // Up to the last page of 39 bits.
    change: 'viommu-address-width-39',
    given: {
      '/vm/viommu': intel48,
      [`${device}/mappings`]: [{ iova: '0x7fffffe000', pageSize: '4KiB', count: 2 }],
    },
    sets: { '/vm/viommu/addressWidth': 39 },
  },
  {
    change: 'viommu-address-width-39',
    given: {
      ...twoDevices,
      '/vm/viommu': intel48,
      '/vm/vfio/1/mappings': [{ iova: '0x8000000000', pageSize: '4KiB', count: 1 }],
    },
    sets: {},
  },
  {
    change: 'viommu-address-width-39',
    given: { '/vm/viommu': { model: 'virtio' } },
    sets: { '/vm/viommu/addressWidth': 39 },
    words: { model: 'virtio', iommu: 'virtio-iommu-pci' },
  },
  {
    change: 'viommu-caching-mode',
    given: { '/vm/viommu': { model: 'intel' } },
    sets: { '/vm/viommu/cachingMode': true },
  },
  { change: 'viommu-caching-mode', given: { '/vm/viommu': { model: 'virtio' } }, sets: {} },
  { change: 'viommu-dma-remap', given: { '/vm/viommu': { model: 'amd' } }, sets: { '/vm/viommu/dmaRemap': true } },
  { change: 'viommu-dma-remap', given: { '/vm/viommu': intel48 }, sets: {} },
  { change: 'viommu-pci-id', given: { '/vm/viommu': { model: 'amd' } }, sets: { '/vm/viommu/pciId': 'amdvi0' } },
  { change: 'viommu-pci-id', given: { '/vm/viommu': { model: 'amd', pciId: 'x' } }, sets: {} },
  {
    change: 'viommu-first-stage-off',
    given: { '/vm/viommu': { ...intel48, firstStage: true } },
    sets: { '/vm/viommu/firstStage': false },
  },
  { change: 'viommu-first-stage-off', given: { '/vm/viommu': intel48 }, sets: {} },
  {
    change: 'viommu-scalable-mode',
    given: { '/vm/viommu': intel48 },
    sets: { '/vm/viommu/scalableMode': true },
  },
  { change: 'viommu-scalable-mode', given: { '/vm/viommu': { ...intel48, scalableMode: true } }, sets: {} },
  {
    change: 'viommu-snoop-control-off',
    given: { '/vm/viommu': { ...intel48, snoopControl: true } },
    sets: { '/vm/viommu/snoopControl': false },
  },
  { change: 'viommu-snoop-control-off', given: { '/vm/viommu': intel48 }, sets: {} },
  {
    change: 'viommu-device-iotlb-off',
    given: { '/vm/viommu': { ...intel48, deviceIotlb: true } },
    sets: { '/vm/viommu/deviceIotlb': false },
  },
  { change: 'viommu-device-iotlb-off', given: { '/vm/viommu': intel48 }, sets: {} },
  {
    change: 'viommu-pasid-off',
    given: { '/vm/viommu': { ...intel48, pasidBits: 20 } },
    sets: { '/vm/viommu/pasidBits': 0 },
  },
  { change: 'viommu-pasid-off', given: { '/vm/viommu': intel48 }, sets: {} },
  {
    change: 'viommu-svm-off',
    given: { '/vm/viommu': { ...intel48, svm: true } },
    sets: { '/vm/viommu/svm': false },
  },
  { change: 'viommu-svm-off', given: { '/vm/viommu': intel48 }, sets: {} },
  {
    change: 'viommu-eim-off',
    given: { '/vm/viommu': { ...intel48, eim: true } },
    sets: { '/vm/viommu/eim': false },
  },
  { change: 'viommu-eim-off', given: { '/vm/viommu': intel48 }, sets: {} },
  {
    change: 'viommu-dma-drain',
    given: { '/vm/viommu': { ...intel48, dmaDrain: false } },
    sets: { '/vm/viommu/dmaDrain': true },
  },
  { change: 'viommu-dma-drain', given: { '/vm/viommu': intel48 }, sets: {} },
  { change: 'viommu-accel', given: { '/vm/viommu': { model: 'smmuv3' } }, sets: { '/vm/viommu/accel': true } },
  { change: 'viommu-accel', given: { '/vm/viommu': intel48 }, sets: {} },
  { change: 'kernel-irqchip-split', given: { '/vm/kernelIrqchip': 'on' }, sets: { '/vm/kernelIrqchip': 'split' } },
  { change: 'kernel-irqchip-split', given: { '/vm/kernelIrqchip': 'off' }, sets: {} },
  { change: 'remove-viommu', given: { '/vm/viommu': intel48 }, sets: { '/vm/viommu': null } },
  { change: 'remove-viommu', given: {}, sets: {} },
  { change: 'cpu-invtsc-off', given: { '/vm/cpu': { invtsc: true } }, sets: { '/vm/cpu/invtsc': false } },
  { change: 'cpu-invtsc-off', given: {}, sets: {} },
  {
    change: 'cpu-tsc-frequency',
    given: { '/vm/cpu': { invtsc: true } },
    sets: { '/vm/cpu/tscFrequency': 1_000_000_000 },
  },
  { change: 'cpu-tsc-frequency', given: { '/vm/cpu': { tscFrequency: 2_400_000_000 } }, sets: {} },
  {
    change: 'cpu-hv-flags',
    given: { '/vm/cpu': { hvPassthrough: true, hvNoNonarchCoresharing: 'auto' } },
    sets: { '/vm/cpu/hvPassthrough': false, '/vm/cpu/hvNoNonarchCoresharing': 'on' },
  },
  { change: 'cpu-hv-flags', given: {}, sets: {} },
  {
    change: 'convert-image',
    given: {
      '/vm/disks': [
        { node: 'a', format: 'raw' },
        { node: 'b', format: 'vmdk' },
      ],
    },
    concern: { items: ['/vm/otherDevices/0', '/vm/disks/1', '/vm/vfio/0'] },
    sets: { '/vm/disks/1/format': 'qcow2' },
    words: { device: 'b' },
  },
  {
    change: 'convert-image',
    given: { '/vm/disks': [{ node: 'a', format: 'qcow2' }] },
    concern: { items: ['/vm/disks/0'] },
    sets: {},
  },
  { change: 'convert-image', given: { '/vm/disks': [{ node: 'a', format: 'raw' }] }, sets: {} },
  {
    change: 'ivshmem-master',
    given: { '/vm/otherDevices': others },
    concern: firstOther,
    sets: { '/vm/otherDevices/1/properties/master': true },
  },
  { change: 'ivshmem-master', given: {}, sets: {} },
  {
    change: 'vhost-scsi-migratable',
    given: { '/vm/otherDevices': [{ type: 'vhost-scsi-pci', properties: { wwpn: 'naa.1' } }] },
    concern: { items: ['/vm/otherDevices/0'] },
    sets: { '/vm/otherDevices/0/properties/migratable': true },
  },
  {
    change: 'vhost-scsi-migratable',
    given: { '/vm/otherDevices': [{ type: 'vhost-scsi-pci', properties: { migratable: true } }] },
    concern: { items: ['/vm/otherDevices/0'] },
    sets: {},
  },
  {
    change: 'device-feature-off',
    given: { '/vm/otherDevices': [{ type: 'nvme', properties: { sriov_max_vfs: 4 } }] },
    concern: { items: ['/vm/otherDevices/0'] },
    sets: { '/vm/otherDevices/0/properties/sriov_max_vfs': 0 },
    words: { device: 'nvme', option: 'sriov_max_vfs=0' },
  },
  {
    change: 'device-feature-off',
    given: { '/vm/otherDevices': [{ type: 'virtio-gpu-gl-pci' }] },
    concern: { items: ['/vm/otherDevices/0'] },
    sets: { '/vm/otherDevices/0/type': 'virtio-gpu-pci' },
  },
  { change: 'device-feature-off', given: { '/vm/otherDevices': others }, concern: lastOther, sets: {} },
  { change: 'newer-machine', given: { '/vm/machine': 'pc-q35-9.2' }, sets: { '/vm/machine': 'pc-q35-10.2' } },
  { change: 'newer-machine', given: {}, sets: {} },
  { change: 'newer-machine', given: { '/vm/machine': undefined }, sets: {} },
  { change: 'newer-machine', given: { '/vm/machine': 'pc-q35-9.2', '/destination': { kernel: '6.1' } }, sets: {} },
  { change: 'newer-machine', given: { ...there, '/vm/machine': 'pc-q35-9.2' }, sets: {} },
  { change: 'newer-machine', given: { '/vm/machine': 'pc-q35-rhel9.6.0' }, sets: {} },
  { change: 'restart-vm', given: { '/vm/runtime': { poisonedMemory: true } }, sets: { '/vm/runtime': undefined } },
  { change: 'restart-vm', given: {}, sets: {} },
  {
    change: 'shared-memory-backend',
    given: { '/vm/memoryBackends': [{ size: '2GiB', share: true }, { size: '2GiB' }] },
    sets: { '/vm/memoryBackends/1/share': true },
  },
  { change: 'shared-memory-backend', given: {}, sets: { '/vm/memoryBackends': [{ size: '4GiB', share: true }] } },
  {
    change: 'shared-memory-backend',
    given: { '/vm/memoryBackends': [{ size: '4GiB', share: true }] },
    sets: {},
  },
  {
    change: 'less-memory',
    given: { '/vm/memory': '9TiB' },
    sets: { '/vm/memory': '8TiB' },
    words: { kib: String(2 ** 33) },
  },
  { change: 'less-memory', given: { '/vm/memory': '8TiB' }, sets: {} },
  {
    change: 'less-memory',
    given: { '/vm/memory': '9TiB', '/vm/memoryBackends': [{ size: '9TiB' }] },
    sets: {},
  },
  {
    // What the lesser of the hosts takes, be it this one or that.
    change: 'less-memory',
    given: { '/vm/memory': '9TiB', '/destination': { ...halfOf } },
    concern: bothHosts,
    sets: { '/vm/memory': '4TiB' },
  },
  {
    change: 'less-memory',
    given: { '/vm/memory': '9TiB', '/destination': {}, '/source/type1': halfOf.type1 },
    concern: bothHosts,
    sets: { '/vm/memory': '4TiB' },
  },
  {
    // A bitmap of 4 KiB covers 128 MiB.
    change: 'less-memory',
    given: { '/source/type1': { maxDirtyBitmapSize: '4KiB' } },
    sets: {},
  },
  { change: 'less-memory', given: {}, sets: {} },
  {
    change: 'less-memory',
    given: { '/vm/memory': '9TiB', '/source/pageSize': '64KiB' },
    sets: {},
  },
  { change: 'not-confidential', given: { '/vm/confidential': 'sev' }, sets: { '/vm/confidential': 'none' } },
  { change: 'not-confidential', given: {}, sets: {} },
];

const editsOf = ({ change, given, concern }: Case): { readonly from: Descriptor; readonly edits: readonly Edit[] } => {
  const from = descriptorWith(given);
  const all: Concern = { descriptor: from, devices: [0], sides: ['source'], items: [], rules: [], ...concern };
  return { from, edits: changeKinds[change].edits?.(all) ?? [] };
};

describe('a change sets', () => {
  it.each(cases)('$change: $given → $sets', (each) => {
    const { edits } = editsOf(each);
    expect(edits.map(({ pointer, to }) => [pointer, to])).toStrictEqual(Object.entries(each.sets));
    if (each.words) expect(edits.map(({ words }) => words)).toMatchObject(edits.map(() => each.words));
  });
});

describe('what a change makes', () => {
  it.each(cases.filter(({ sets }) => Object.keys(sets).length > 0))('is valid: $change of $given', (each) => {
    const { from, edits } = editsOf(each);
    const changed = edits.reduce((all, { pointer, to }) => withValueAt(all, pointer, to), from);
    const otherDevices = changed.vm.otherDevices?.filter((other) => other !== undefined);
    const made = { ...changed, vm: { ...changed.vm, otherDevices } };
    expect(schema.safeParse(made).error).toBeUndefined();
    expect(check(made)).toEqual([]);
    for (const { pointer, to } of edits) expect(valueAt(from, pointer)).not.toEqual(to);
  });

  it.each(cases.filter(({ sets }) => Object.keys(sets).length > 0))('is said in full: $change of $given', (each) => {
    for (const { words } of editsOf(each).edits) {
      expect(fill(changeKinds[each.change].how, words)).not.toMatch(/[{}]/);
    }
  });
});

describe('the table of changes', () => {
  const withEdits = changes.filter((change) => changeKinds[change].edits);

  it('has a case that applies, and one that does not, of every change that a descriptor can say', () => {
    const applying = cases.filter(({ sets }) => Object.keys(sets).length > 0).map(({ change }) => change);
    const idle = cases.filter(({ sets }) => Object.keys(sets).length === 0).map(({ change }) => change);
    expect(new Set(applying)).toEqual(new Set(withEdits));
    expect(new Set(idle)).toEqual(new Set(withEdits));
  });

  it('leaves observations alone: what a driver can do, what the guest does', () => {
    const places = cases.flatMap(({ sets }) => Object.keys(sets));
    expect(places.filter((place) => /\/devices\/|\/iommu\/|mounted9p|guestDomain|guestEvents/.test(place))).toEqual([]);
  });
});
