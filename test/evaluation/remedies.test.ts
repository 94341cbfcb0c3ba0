import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { withRemedies } from '../../src/evaluation/remedies.ts';
import type { Decision } from '../../src/evaluation/decision.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

type Remedy = NonNullable<Decision['remedies']>[number];

const decide = (given: Given): Decision => {
  const descriptor = descriptorWith(given);
  return withRemedies(descriptor, evaluate(descriptor));
};

/** "iommufd + other-qemu: allowed, host-upgrade" */
const told = ({ changes, verdict, effort }: Remedy): string =>
  `${[...new Set(changes.map(({ id }) => id))].join(' + ')}: ${verdict}, ${effort}`;

const remediesOf = (given: Given): string[] => (decide(given).remedies ?? []).map(told);

const able = { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: true };
const devices = (...abilities: readonly object[]): Given => ({
  '/vm/vfio': abilities.map((_, i) => ({ id: `d${i}` })),
  '/source/devices': Object.fromEntries(abilities.map((ability, i) => [`d${i}`, { ...able, ...ability }])),
});

const quietGuest = { '/migration': { guestEvents: [] } };
const untracked = { '/source/devices/dev0/dmaLogging': false };
const trackingIommu = { '/source/iommu/dirtyTracking': true };
const unplug = 'unplug-for-migration: allowed, device-replug';

describe('remedies', () => {
  it.each<{ name: string; given: Given; remedies: string[]; never?: string[] }>([
    {
      name: 'migration is off for the device: auto will do',
      given: { '/vm/vfio/0/enableMigration': 'off' },
      remedies: ['enable-migration: allowed, device-replug', unplug],
    },
    {
      name: 'the driver cannot migrate: nothing that an operator sets helps, but to do without the device',
      given: { '/source/devices/dev0': { driver: 'vfio-pci' } },
      remedies: [unplug],
    },
    {
      name: 'nothing tracks, the host IOMMU could, and type1 does not count',
      given: { ...untracked, ...trackingIommu },
      remedies: ['iommufd: allowed, device-replug', unplug],
    },
    {
      name: 'a QEMU before there was iommufd: two changes at once',
      given: { ...untracked, ...trackingIommu, '/source/qemu': '8.0' },
      remedies: [unplug, 'iommufd + other-qemu: allowed, host-upgrade'],
      never: ['iommufd: allowed, device-replug'],
    },
    {
      name: 'a vIOMMU before 11.0',
      given: { '/vm/viommu': intel48, ...trackingIommu, ...quietGuest },
      remedies: [
        unplug,
        'bypass-viommu: allowed, guest-visible-change',
        'remove-viommu: allowed, guest-visible-change',
      ],
      never: ['device-dirty-tracking-off: allowed, device-replug'],
    },
    {
      name: 'a vIOMMU since 11.0, with a guest that does nothing meanwhile',
      given: { '/vm/viommu': intel48, '/source/qemu': '11.1.3', ...trackingIommu, ...quietGuest },
      remedies: [
        unplug,
        'device-dirty-tracking-off + iommufd: allowed, device-replug',
        'bypass-viommu: allowed, guest-visible-change',
        'remove-viommu: allowed, guest-visible-change',
      ],
    },
    {
      name: 'a vIOMMU since 11.0 that a guest uses: what would be accepted may lose data, and is no remedy',
      given: { '/vm/viommu': intel48, '/source/qemu': '11.1.3', ...trackingIommu },
      remedies: [
        unplug,
        'bypass-viommu: allowed, guest-visible-change',
        'remove-viommu: allowed, guest-visible-change',
      ],
      never: ['device-dirty-tracking-off + iommufd: risky, device-replug'],
    },
    {
      name: 'more RAM than one bitmap covers',
      given: {
        ...untracked,
        ...trackingIommu,
        '/source/qemu': '11.1.3',
        '/vm/memory': '9TiB',
        '/vm/vfio/0/enableMigration': 'on',
      },
      remedies: ['iommufd: allowed, device-replug', unplug],
      never: ['enable-migration: allowed, device-replug'],
    },
    { name: 'nothing refuses it', given: {}, remedies: [] },
    {
      name: 'nothing is known of the host: only what settles it is sure to help',
      given: { '/source': {} },
      remedies: [unplug],
    },
  ])('$name', ({ given, remedies, never = [] }) => {
    const found = remediesOf(given);
    expect(found.filter((each) => remedies.includes(each))).toEqual(remedies);
    expect(found.filter((each) => never.includes(each))).toEqual([]);
  });

  it('say what to set where, how, and at what cost', () => {
    expect(decide({ '/vm/vfio/0/enableMigration': 'off' }).remedies?.[0]).toEqual({
      changes: [
        {
          id: 'enable-migration',
          pointer: '/vm/vfio/0/enableMigration',
          from: 'off',
          to: 'auto',
          how: expect.stringContaining('-device vfio-pci,id=dev0,…,enable-migration=auto') as string,
          cost: 'The guest is without the device while it is plugged in again.',
        },
      ],
      effort: 'device-replug',
      verdict: 'allowed',
    });
  });

  it('take what stands nowhere for null', () => {
    const [remedy] = decide({ '/vm/viommu': intel48, '/vm/vfio/0/unpluggedForMigration': undefined }).remedies ?? [];
    expect(remedy?.changes).toMatchObject([{ pointer: '/vm/vfio/0/unpluggedForMigration', from: null, to: true }]);
  });

  it('make one change of all devices that need it, and of no other', () => {
    const [remedy] = decide(devices({ protocol: 'none' }, {}, { protocol: 'none' })).remedies ?? [];
    expect(remedy?.changes.map(({ pointer }) => pointer)).toEqual([
      '/vm/vfio/0/unpluggedForMigration',
      '/vm/vfio/2/unpluggedForMigration',
    ]);
  });

  it.each([0, 1, 2])('of several devices, unplug device %s alone, which is the one without P2P', (index) => {
    const abilities = [0, 1, 2].map((i) => ({ p2p: i !== index }));
    const { remedies = [] } = decide(devices(...abilities));
    expect(remedies.map(({ changes }) => changes.map(({ pointer }) => pointer))).toEqual([
      [`/vm/vfio/${index}/unpluggedForMigration`],
    ]);
  });

  it.each<{ name: string; given: Given; remedies: string[] }>([
    {
      name: 'a reason that QEMU gives and nobody foresaw',
      given: { '/vm/runtime': { blockedReasons: ['the moon is in the wrong place'] } },
      remedies: ['restart-vm: allowed, vm-restart'],
    },
    {
      name: 'a reason that QEMU gives of a device that seems to be able',
      given: { '/vm/runtime': { blockedReasons: ['0000:3b:00.1: VFIO migration is not supported in kernel'] } },
      remedies: [unplug],
    },
    {
      name: 'a reason that was foreseen goes with what it rests on',
      given: {
        '/vm/vfio/0/enableMigration': 'off',
        '/vm/runtime': { blockedReasons: ['0000:3b:00.1: Migration is disabled for VFIO device'] },
      },
      remedies: ['enable-migration: allowed, device-replug', unplug],
    },
  ])('of what was seen: $name', ({ given, remedies }) => {
    expect(remediesOf(given)).toEqual(remedies);
  });

  it('do not take a device that must start again for one that started before', () => {
    const running = { ...untracked, '/state': 'running', '/vm/viommu': intel48 };
    const on = { ...running, '/vm/vfio/0/enableMigration': 'on' };
    expect(decide(on).findings.find(({ rule }) => rule === 'vfio-viommu')?.outcome).toBe('contradicted');
    expect(remediesOf(running).filter((each) => each.startsWith('enable-migration:'))).toEqual([]);
  });

  it('leave a device with which QEMU started against all expectation as another is unplugged', () => {
    const [remedy] =
      decide({
        ...devices({ protocol: 'none' }, { protocol: 'none' }),
        '/vm/vfio/0/enableMigration': 'on',
        '/vm/runtime': { blockedReasons: ['d1: VFIO migration is not supported in kernel'] },
      }).remedies ?? [];
    expect(remedy?.changes.map(({ pointer }) => pointer)).toEqual(['/vm/vfio/1/unpluggedForMigration']);
  });

  it('take a VM that gave its reasons for one that runs, whatever it is said to be', () => {
    const given = {
      ...devices({ protocol: 'none' }, { stopCopy: false }),
      '/vm/vfio/1/enableMigration': 'on',
      '/vm/runtime': { blockedReasons: ['d0: VFIO migration is not supported in kernel'] },
    };
    expect(remediesOf({ ...given, '/state': 'planned' })).toEqual(remediesOf(given));
  });

  it('make no loss of data reachable behind a refusal that only seems open', () => {
    const given = {
      '/vm/viommu': { model: 'virtio', addressWidth: 48 },
      '/vm/vfio/0': { id: 'dev0', enableMigration: 'on', deviceDirtyTracking: 'off', guestDomain: 'dma' },
      '/vm/otherDevices': [{ type: 'usb-mtp' }],
      '/source/qemu': '11.1',
    };
    const both = 'unplug-for-migration + detach-device: allowed, device-replug';
    expect(remediesOf(given)).toContain(both);
    for (const machine of ['pc-q35-10.2', undefined]) {
      const found = remediesOf({ ...given, '/vm/machine': machine });
      expect(found.filter((each) => each.endsWith('risky, device-replug'))).toEqual([]);
    }
  });

  it('are not looked for where the verdict is allowed', () => {
    expect(decide({}).remedies).toEqual([]);
  });

  it('are left out of a decision that nobody asks to have any', () => {
    expect(evaluate(descriptorWith({ '/vm/viommu': intel48 }))).not.toHaveProperty('remedies');
  });

  it.each([
    ['to begin with', 2500],
    ['to go on', 900],
  ])('say so when there is too much to try %s', (_, length) => {
    const mappings = Array.from({ length }, (_run, index) => ({
      iova: `0x${(index * 0x2000).toString(16)}`,
      pageSize: '4KiB',
      count: 1,
    }));
    const { assumptions, remedies } = decide({ '/vm/vfio/0/mappings': mappings, '/vm/viommu': intel48 });
    expect(assumptions).toContain('too much can be changed to try every set of changes: there may be other remedies');
    expect(remedies).toEqual([]);
  });
});

/** "iommufd /vm/vfio/0/backend: allowed, device-replug" */
const toldInFull = ({ changes, verdict, effort }: Remedy): string =>
  `${changes.map(({ id, pointer }) => `${id} ${pointer}`).join(', ')}: ${verdict}, ${effort}`;

const mtp = { type: 'usb-mtp' };
const unplugged = (index: number): string => `unplug-for-migration /vm/vfio/${index}/unpluggedForMigration`;
const detached = (index: number): string => `detach-device /vm/otherDevices/${index}`;
const enabled = (index: number): string => `enable-migration /vm/vfio/${index}/enableMigration`;
const bypassing = (index: number): string => `bypass-viommu /vm/vfio/${index}/address/bypassIommu`;
const withoutViommu = 'remove-viommu /vm/viommu';
const destination = (abilities: object): Given => ({
  '/destination': { qemu: '10.2.2', kernel: '6.12', devices: abilities },
});

describe('all remedies that there are, least effort first', () => {
  it.each<{ name: string; given: Given; verdict: Decision['verdict']; remedies: string[] }>([
    {
      name: 'devices that cannot be migrated go together, each from where it stands',
      given: { '/vm/otherDevices': [mtp, { type: 'virtio-net-pci' }, mtp] },
      verdict: 'blocked',
      remedies: [`${detached(0)}, ${detached(2)}: allowed, device-replug`],
    },
    {
      name: 'beside a VFIO device that cannot either, whatever is gone before',
      given: { '/vm/otherDevices': [mtp, { type: 'nvme' }, mtp], '/source/devices/dev0': { protocol: 'none' } },
      verdict: 'blocked',
      remedies: [`${unplugged(0)}, ${detached(0)}, ${detached(1)}, ${detached(2)}: allowed, device-replug`],
    },
    {
      name: 'devices of which it is not known whether they can: whichever QEMU it is',
      given: { '/vm/otherDevices': [{ type: 'nvme' }, { type: 'ivshmem-plain' }], '/source/qemu': undefined },
      verdict: 'blocked',
      remedies: [
        `${unplugged(0)}, ${detached(0)}, ${detached(1)}: allowed, device-replug`,
        `${detached(1)}, other-qemu /source/qemu: allowed, host-upgrade`,
      ],
    },
    {
      name: 'those that could stay otherwise go with those that must: one change is less than two',
      given: { '/vm/otherDevices': [mtp, mtp, { type: 'ivshmem-plain', id: 'shm' }] },
      verdict: 'blocked',
      remedies: [`${detached(0)}, ${detached(1)}, ${detached(2)}: allowed, device-replug`],
    },
    {
      name: 'a vIOMMU: without the device for a while, or for good beside it, or without it',
      given: { '/vm/viommu': intel48 },
      verdict: 'blocked',
      remedies: [
        `${unplugged(0)}: allowed, device-replug`,
        'bypass-viommu /vm/vfio/0/address/bypassIommu: allowed, guest-visible-change',
        'remove-viommu /vm/viommu: allowed, guest-visible-change',
      ],
    },
    {
      name: 'a risk: what takes it away',
      given: { ...untracked, '/vm/viommu': intel48, '/source/qemu': '11.1.3', '/vm/vfio/0/enableMigration': 'on' },
      verdict: 'risky',
      remedies: [
        'bypass-viommu /vm/vfio/0/address/bypassIommu: allowed, guest-visible-change',
        'remove-viommu /vm/viommu: allowed, guest-visible-change',
      ],
    },
    {
      name: 'one of two devices that the destination does not take',
      given: { ...devices({}, {}), ...destination({ d0: able, d1: { ...able, protocol: 'none' } }) },
      verdict: 'blocked',
      remedies: [`${unplugged(1)}: allowed, device-replug`],
    },
    {
      name: 'one that the source does not take, and another that the destination does not',
      given: {
        ...devices({}, { protocol: 'none' }),
        ...destination({ d0: { ...able, stopCopy: false }, d1: able }),
      },
      verdict: 'blocked',
      remedies: [`${unplugged(0)}, ${unplugged(1)}: allowed, device-replug`],
    },
    {
      name: 'two of three devices lack P2P: any one may stay by itself',
      given: devices({ p2p: false }, {}, { p2p: false }),
      verdict: 'blocked',
      remedies: [`${unplugged(1)}, ${unplugged(2)}: allowed, device-replug`],
    },
    {
      name: 'data that is lost in silence',
      given: {
        ...devices({}, { dmaLogging: false }),
        '/vm/vfio': ['d0', 'd1'].map((id) => ({ id, backend: 'iommufd', enableMigration: 'on' })),
        '/source/qemu': '10.0',
        '/source/iommu/dirtyTracking': false,
      },
      verdict: 'unsafe',
      remedies: [`${unplugged(1)}: allowed, device-replug`],
    },
    {
      name: 'a VM that would not start otherwise',
      given: { '/vm/onlyMigratable': true, '/vm/otherDevices': [mtp], '/vm/viommu': intel48 },
      verdict: 'blocked',
      remedies: [
        `${unplugged(0)}, ${detached(0)}: allowed, device-replug`,
        `${detached(0)}, bypass-viommu /vm/vfio/0/address/bypassIommu: allowed, guest-visible-change`,
        `${detached(0)}, remove-viommu /vm/viommu: allowed, guest-visible-change`,
      ],
    },
    {
      name: 'a dump, and migration that is off',
      given: { '/vm/runtime': { dumping: true }, '/vm/vfio/0/enableMigration': 'off' },
      verdict: 'blocked',
      remedies: [
        'finish-dump /vm/runtime/dumping, enable-migration /vm/vfio/0/enableMigration: allowed, device-replug',
        `finish-dump /vm/runtime/dumping, ${unplugged(0)}: allowed, device-replug`,
      ],
    },
    {
      name: 'three things at once, of which one can be mended in two ways: equal efforts by their sum',
      given: {
        '/vm/disks': [{ node: 'disk0', format: 'vmdk' }],
        '/vm/cpu': { invtsc: true },
        '/vm/confidential': 'sev',
      },
      verdict: 'blocked',
      remedies: [
        'cpu-tsc-frequency /vm/cpu/tscFrequency, convert-image /vm/disks/0/format, not-confidential /vm/confidential: allowed, guest-visible-change',
        'cpu-invtsc-off /vm/cpu/invtsc, convert-image /vm/disks/0/format, not-confidential /vm/confidential: allowed, guest-visible-change',
      ],
    },
    {
      name: 'four things at once are more than one remedy mends',
      given: {
        '/vm/disks': [{ node: 'disk0', format: 'vmdk' }],
        '/vm/cpu': { invtsc: true },
        '/vm/confidential': 'sev',
        '/vm/otherDevices': [mtp],
      },
      verdict: 'blocked',
      remedies: [],
    },
    {
      name: 'a capability, or the device that does not go with it',
      given: {
        '/migration': { capabilities: ['postcopy-ram', 'multifd'] },
        '/vm/vfio/0/multifdTransfer': 'on',
        '/source/qemu': '8.2',
      },
      verdict: 'blocked',
      remedies: [
        'capability-off /migration/capabilities: allowed, migration-parameters',
        `${unplugged(0)}: allowed, device-replug`,
      ],
    },
    {
      name: 'an old QEMU',
      given: { '/source/qemu': '7.2' },
      verdict: 'blocked',
      remedies: [`${unplugged(0)}: allowed, device-replug`, 'other-qemu /source/qemu: allowed, host-upgrade'],
    },
    {
      name: 'more memory than one bitmap covers, of a VM that starts all the same if it is told to',
      given: {
        ...untracked,
        ...trackingIommu,
        '/vm/memory': '9TiB',
        '/source/qemu': '11.1.3',
      },
      verdict: 'blocked',
      remedies: [
        'iommufd /vm/vfio/0/backend: allowed, device-replug',
        `${unplugged(0)}: allowed, device-replug`,
        'enable-migration /vm/vfio/0/enableMigration, less-memory /vm/memory: allowed, guest-visible-change',
      ],
    },
    {
      name: 'a reason that nobody foresaw takes a restart, whatever else is changed',
      given: {
        '/vm/vfio/0/enableMigration': 'off',
        '/vm/runtime': { blockedReasons: ['the moon is in the wrong place'] },
      },
      verdict: 'blocked',
      remedies: [
        'enable-migration /vm/vfio/0/enableMigration, restart-vm /vm/runtime: allowed, vm-restart',
        `${unplugged(0)}, restart-vm /vm/runtime: allowed, vm-restart`,
      ],
    },
    {
      name: 'what QEMU cannot migrate of two devices, and a mode that copies no memory: more ways than are told',
      given: {
        '/vm/otherDevices': [{ type: 'virtio-gpu-gl-pci' }, { type: 'ivshmem-plain' }],
        '/migration': { mode: 'cpr-reboot' },
      },
      verdict: 'blocked',
      remedies: [
        `normal-mode /migration/mode, ${detached(0)}, ${detached(1)}: allowed, device-replug`,
        `${unplugged(0)}, ${detached(0)}, ${detached(1)}: allowed, device-replug`,
        'normal-mode /migration/mode, ivshmem-master /vm/otherDevices/1/properties/master, device-feature-off /vm/otherDevices/0/type: allowed, device-replug',
        `normal-mode /migration/mode, ${detached(1)}, device-feature-off /vm/otherDevices/0/type: allowed, device-replug`,
        `${unplugged(0)}, ivshmem-master /vm/otherDevices/1/properties/master, device-feature-off /vm/otherDevices/0/type: allowed, device-replug`,
        `${unplugged(0)}, ${detached(1)}, device-feature-off /vm/otherDevices/0/type: allowed, device-replug`,
        `suspend-guest /vm/runtime/suspended, ${detached(0)}, ${detached(1)}: allowed, guest-visible-change`,
        'suspend-guest /vm/runtime/suspended, ivshmem-master /vm/otherDevices/1/properties/master, device-feature-off /vm/otherDevices/0/type: allowed, guest-visible-change',
      ],
    },
    {
      name: 'a VM that runs and has no reasons against it, of which too little is known: what is unknown goes',
      given: {
        '/vm/vfio': [{ id: 'd0', backend: 'iommufd' }, { id: 'd1' }, { id: 'd2', backend: 'iommufd' }],
        '/vm/runtime': { blockedReasons: [] },
        '/source/qemu': '11.1.3',
        '/source/devices': {
          d0: { protocol: 'v2', stopCopy: true, dmaLogging: true },
          d1: { protocol: 'v2', stopCopy: true, p2p: false, dmaLogging: true },
        },
      },
      verdict: 'unknown',
      remedies: [`${unplugged(0)}, ${unplugged(2)}: allowed, device-replug`],
    },
    {
      name: 'an amd-iommu that lacks much: fewer changes for a verdict that is less good',
      given: {
        '/vm/vfio/0/backend': 'iommufd',
        '/vm/vfio/0/deviceDirtyTracking': 'off',
        '/vm/viommu': { model: 'amd' },
        '/migration': { mode: 'snapshot' },
        '/source/qemu': '11.0',
        '/source/kernel': '7.1',
      },
      verdict: 'blocked',
      remedies: [
        `${unplugged(0)}, viommu-pci-id /vm/viommu/pciId: allowed, vm-restart`,
        `${enabled(0)}, viommu-pci-id /vm/viommu/pciId: risky, vm-restart`,
        `${enabled(0)}, viommu-dma-remap /vm/viommu/dmaRemap, viommu-pci-id /vm/viommu/pciId: allowed, vm-restart`,
        `${enabled(0)}, ${withoutViommu}: allowed, guest-visible-change`,
        `${unplugged(0)}, ${withoutViommu}: allowed, guest-visible-change`,
        `${enabled(0)}, ${bypassing(0)}, viommu-pci-id /vm/viommu/pciId: allowed, guest-visible-change`,
      ],
    },
    {
      name: 'migration that is off, of a device that nothing tracks: auto would not do',
      given: { '/vm/vfio/0/enableMigration': 'off', '/vm/vfio/0/deviceDirtyTracking': 'off' },
      verdict: 'blocked',
      remedies: [`${unplugged(0)}: allowed, device-replug`, `${enabled(0)}: allowed, device-replug`],
    },
    {
      name: 'a device that only a newer QEMU refuses',
      given: {
        '/vm/otherDevices': [
          { type: 'virtio-net-pci', properties: { 'netdev.type': 'vhost-vdpa' } },
          { type: 'tpm-crb' },
        ],
        '/source/qemu': '8.0',
        '/migration': { capabilities: ['background-snapshot'] },
      },
      verdict: 'blocked',
      remedies: [
        `${detached(0)}, ${enabled(0)}: allowed, device-replug`,
        `${unplugged(0)}, ${detached(0)}: allowed, device-replug`,
        `capability-off /migration/capabilities, ${detached(0)}, ${detached(1)}, other-qemu /source/qemu: allowed, host-upgrade`,
      ],
    },
    {
      name: 'a vIOMMU that QEMU would not have started with, of a VM that runs: it is read anew once anything starts anew',
      given: {
        '/vm/viommu': { model: 'smmuv3' },
        '/state': 'running',
        '/vm/disks': [{ node: 'disk0', format: 'vmdk' }],
        '/source': {},
      },
      verdict: 'blocked',
      remedies: [
        `${unplugged(0)}, ${bypassing(0)}, convert-image /vm/disks/0/format: allowed, guest-visible-change`,
        `${unplugged(0)}, ${withoutViommu}, convert-image /vm/disks/0/format: allowed, guest-visible-change`,
      ],
    },
    {
      name: 'two devices, of which one cannot stay beside another, and that nobody tracks',
      given: {
        '/vm/vfio': [
          { id: 'd0', backend: 'iommufd', enableMigration: 'off', deviceDirtyTracking: 'off' },
          { id: 'd1' },
        ],
        '/source/qemu': undefined,
        '/source/kernel': '7.1',
        '/source/iommu/dirtyTracking': true,
        '/source/devices': {
          d0: { protocol: 'v2', stopCopy: true, p2p: false },
          d1: { protocol: 'v2', stopCopy: true },
        },
      },
      verdict: 'blocked',
      remedies: [
        `${unplugged(0)}, ${unplugged(1)}, legacy-backend /vm/vfio/0/backend: allowed, device-replug`,
        `${unplugged(0)}, ${unplugged(1)}, other-qemu /source/qemu: allowed, host-upgrade`,
      ],
    },
    {
      name: 'of what would be accepted the data that may be lost comes first',
      given: {
        '/source/qemu': '11.0',
        '/vm/runtime': { dumping: true },
        '/vm/viommu': { model: 'intel', cachingMode: true, snoopControl: true },
        '/migration': { guestEvents: ['domain-switch'] },
        '/vm/vfio': [
          { id: 'd0', backend: 'iommufd', deviceDirtyTracking: 'off' },
          { id: 'd1', backend: 'iommufd', guestDomain: 'blocking' },
        ],
        '/source/devices': {
          d0: { protocol: 'v2', stopCopy: true, p2p: true },
          d1: { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: false },
        },
        '/source/iommu/dirtyTracking': true,
      },
      verdict: 'blocked',
      remedies: [
        `finish-dump /vm/runtime/dumping, ${bypassing(0)}, ${bypassing(1)}: allowed, guest-visible-change`,
        `finish-dump /vm/runtime/dumping, ${withoutViommu}: allowed, guest-visible-change`,
      ],
    },
    {
      name: 'a vIOMMU without caching mode: what may be lost without any migration was so before',
      given: {
        '/source/qemu': '11.0',
        '/vm/viommu': { model: 'intel' },
        '/migration': { mode: 'cpr-reboot' },
        '/vm/vfio/0/deviceDirtyTracking': 'off',
      },
      verdict: 'blocked',
      remedies: [
        `${unplugged(0)}, viommu-caching-mode /vm/viommu/cachingMode: allowed, vm-restart`,
        `${unplugged(0)}, ${bypassing(0)}: allowed, guest-visible-change`,
        `${unplugged(0)}, ${withoutViommu}: allowed, guest-visible-change`,
        `normal-mode /migration/mode, ${enabled(0)}, ${bypassing(0)}: allowed, guest-visible-change`,
        `normal-mode /migration/mode, ${enabled(0)}, ${withoutViommu}: allowed, guest-visible-change`,
        'suspend-guest /vm/runtime/suspended, viommu-caching-mode /vm/viommu/cachingMode: risky, guest-visible-change',
        `suspend-guest /vm/runtime/suspended, ${bypassing(0)}: allowed, guest-visible-change`,
        `suspend-guest /vm/runtime/suspended, ${withoutViommu}: allowed, guest-visible-change`,
      ],
    },
    {
      name: 'what may not converge is better than what is refused, and may be mended too',
      given: { '/migration': { parameters: { bandwidth: '100MiB' } }, '/vm/vfio/0/deviceDirtyTracking': 'off' },
      verdict: 'blocked',
      remedies: [
        `${unplugged(0)}: allowed, device-replug`,
        `${enabled(0)}: risky, device-replug`,
        `more-bandwidth /migration/parameters/bandwidth, ${enabled(0)}: allowed, device-replug`,
        `longer-downtime /migration/parameters/downtimeLimitMs, ${enabled(0)}: allowed, device-replug`,
      ],
    },
    {
      name: 'three devices of a VM that runs, of whose host nothing is known: none may lose what it could not before',
      given: {
        '/vm/vfio': [{ id: 'd0' }, { id: 'd1' }, { id: 'd2', backend: 'iommufd' }],
        '/state': 'running',
        '/vm/onlyMigratable': true,
        '/source': { devices: { d2: { protocol: 'v2', stopCopy: true, dmaLogging: true } } },
      },
      verdict: 'unknown',
      remedies: [`${unplugged(0)}, ${unplugged(1)}, ${unplugged(2)}: allowed, device-replug`],
    },
    {
      name: 'a device that a newer QEMU refuses on an old machine, after one that all refuse',
      given: { '/vm/otherDevices': [{ type: 'usb-mtp' }, { type: 'tpm-crb' }], '/source/qemu': '7.2' },
      verdict: 'blocked',
      remedies: [
        `${unplugged(0)}, ${detached(0)}: allowed, device-replug`,
        `${detached(0)}, ${detached(1)}, other-qemu /source/qemu: allowed, host-upgrade`,
        `${detached(0)}, other-qemu /source/qemu, newer-machine /vm/machine: allowed, guest-visible-change`,
      ],
    },
    {
      name: 'a QEMU that knows no other mode, and a device that only it refuses',
      given: { '/vm/otherDevices': [{ type: 'nvme' }], '/source/qemu': '8.0', '/migration': { mode: 'cpr-reboot' } },
      verdict: 'blocked',
      remedies: [
        `${detached(0)}, ${enabled(0)}: allowed, device-replug`,
        `${unplugged(0)}, ${detached(0)}: allowed, device-replug`,
        'normal-mode /migration/mode, other-qemu /source/qemu: allowed, host-upgrade',
        'suspend-guest /vm/runtime/suspended, other-qemu /source/qemu: allowed, guest-visible-change',
      ],
    },
    {
      name: 'of all that leads to a remedy only what it takes',
      given: {
        '/vm/viommu': { model: 'intel', cachingMode: true },
        '/migration': { parameters: { bandwidth: '1GiB' } },
        '/vm/vfio': [
          { id: 'd0', enableMigration: 'on' },
          { id: 'd1', backend: 'iommufd' },
        ],
        '/source/devices': {
          d0: { protocol: 'v2', stopCopy: true, p2p: true },
          d1: { protocol: 'v2', stopCopy: true, p2p: true },
        },
        '/source/iommu/dirtyTracking': true,
      },
      verdict: 'blocked',
      remedies: [
        `${unplugged(0)}, ${unplugged(1)}: allowed, device-replug`,
        `more-bandwidth /migration/parameters/bandwidth, ${bypassing(0)}, ${bypassing(1)}: allowed, guest-visible-change`,
        `longer-downtime /migration/parameters/downtimeLimitMs, ${bypassing(0)}, ${bypassing(1)}: allowed, guest-visible-change`,
        `more-bandwidth /migration/parameters/bandwidth, ${withoutViommu}: allowed, guest-visible-change`,
        `longer-downtime /migration/parameters/downtimeLimitMs, ${withoutViommu}: allowed, guest-visible-change`,
        `iommufd /vm/vfio/0/backend, ${bypassing(0)}, ${bypassing(1)}: allowed, guest-visible-change`,
        `iommufd /vm/vfio/0/backend, ${withoutViommu}: allowed, guest-visible-change`,
        `device-dirty-tracking-off /vm/vfio/0/deviceDirtyTracking, ${bypassing(0)}, ${bypassing(1)}: risky, guest-visible-change`,
      ],
    },
    {
      name: 'a QEMU before there was iommufd, and a device that is told not to track',
      given: {
        ...trackingIommu,
        '/vm/vfio/0/deviceDirtyTracking': 'off',
        '/source/devices/dev0/dmaLogging': undefined,
        '/source/qemu': '8.0',
      },
      verdict: 'blocked',
      remedies: [
        `${unplugged(0)}: allowed, device-replug`,
        'iommufd /vm/vfio/0/backend, other-qemu /source/qemu: allowed, host-upgrade',
      ],
    },
    {
      name: 'a container with more mappings than it may hold: what is found of no one device concerns all',
      given: { ...devices({}, {}), ...trackingIommu, '/source/type1': { dmaEntryLimit: 3 } },
      verdict: 'blocked',
      remedies: [
        'iommufd /vm/vfio/0/backend, iommufd /vm/vfio/1/backend: allowed, device-replug',
        `${unplugged(0)}, ${unplugged(1)}: allowed, device-replug`,
        'raise-dma-entry-limit /source/type1/dmaEntryLimit: allowed, vm-restart',
      ],
    },
    {
      name: 'a limit of either host',
      given: {
        '/source/memlockLimit': '1GiB',
        '/destination': { qemu: '10.2.2', kernel: '6.12', memlockLimit: '1GiB', devices: { dev0: able } },
      },
      verdict: 'blocked',
      remedies: ['raise-memlock /destination/memlockLimit, raise-memlock /source/memlockLimit: allowed, vm-restart'],
    },
  ])('$name', ({ given, verdict, remedies }) => {
    const decision = decide(given);
    expect([decision.verdict, decision.remedies?.map(toldInFull)]).toEqual([verdict, remedies]);
  });

  it('places are in numerical order', () => {
    const [remedy] = decide(devices(...Array.from({ length: 12 }, () => ({ stopCopy: false })))).remedies ?? [];
    expect(remedy?.changes.map(({ pointer }) => pointer.split('/')[3])).toEqual(
      Array.from({ length: 12 }, (_, index) => String(index)),
    );
  });
});

describe('what lifts a finding', () => {
  const liftedBy = (given: Given, rule: string): string[] | undefined =>
    evaluate(descriptorWith(given)).findings.find((finding) => finding.rule === rule)?.liftedBy;
  const behind = { '/vm/viommu': intel48, '/source/qemu': '11.1.3' };

  it('is what is not so already', () => {
    const untranslated = { ...behind, '/vm/vfio/0/type': 'mdev', '/vm/vfio/0/deviceDirtyTracking': 'off' };
    expect(liftedBy(behind, 'vfio-viommu')).toContain('device-dirty-tracking-off');
    expect(liftedBy({ ...untranslated, '/source/qemu': '10.2.2' }, 'vfio-viommu')).not.toContain(
      'device-dirty-tracking-off',
    );
  });

  it('is also what no descriptor says', () => {
    expect(liftedBy({ '/source/devices/dev0': { protocol: 'none' } }, 'vfio-no-migration-support')).toContain(
      'other-driver',
    );
  });

  it('is to detach what may be refused by some QEMU', () => {
    const given = { '/vm/otherDevices': [{ type: 'nvme' }], '/source/qemu': undefined };
    expect(liftedBy(given, 'device-unmigratable')).toEqual(['detach-device']);
  });

  it('is another destination on the destination only', () => {
    const none = { protocol: 'none' };
    const there = { '/destination': { qemu: '10.2.2', kernel: '6.12', devices: { dev0: none } } };
    const hosts = evaluate(descriptorWith({ '/source/devices/dev0': none, ...there })).findings.filter(
      ({ rule }) => rule === 'vfio-no-migration-support',
    );
    expect(hosts.map(({ host, liftedBy: all }) => [host, all.includes('other-destination')])).toEqual([
      ['source', false],
      ['destination', true],
    ]);
  });
});
