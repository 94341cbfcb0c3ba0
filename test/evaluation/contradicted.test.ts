import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

const VIOMMU = '0000:3b:00.1: Migration is currently not supported with vIOMMU enabled';
const OFF = '0000:3b:00.1: Migration is disabled for VFIO device';
const behind: Given = { '/vm/viommu': intel48, '/migration/guestEvents': [] };

const seen = (...reasons: string[]): Given => ({ '/vm/runtime': { blockedReasons: reasons } });
const outcomes = (given: Given) => {
  const { verdict, findings } = evaluate(descriptorWith(given));
  return {
    verdict,
    found: findings.map(({ rule, outcome, reportedBy }) => [rule, outcome, reportedBy.join()].join(' ')),
  };
};

describe('a VM that runs although it could not have started', () => {
  it.each([
    {
      name: 'a device that is on, behind a vIOMMU',
      given: { ...behind, '/state': 'running', '/vm/vfio/0/enableMigration': 'on' },
      verdict: 'allowed',
      found: ['vfio-viommu contradicted '],
    },
    {
      name: 'the same VM, planned',
      given: { ...behind, '/vm/vfio/0/enableMigration': 'on' },
      verdict: 'blocked',
      found: ['vfio-viommu fires start'],
    },
    {
      name: 'the same VM, if its QEMU was asked for reasons',
      given: { ...behind, ...seen(), '/vm/vfio/0/enableMigration': 'on' },
      verdict: 'allowed',
      found: ['vfio-viommu contradicted '],
    },
    {
      name: 'nothing of what another host makes of it',
      given: {
        '/state': 'running',
        '/destination': {
          qemu: '10.2.2',
          kernel: '6.12',
          memlockLimit: '1GiB',
          devices: { dev0: { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: true } },
        },
      },
      verdict: 'blocked',
      found: ['host-memlock fires start'],
    },
    {
      name: 'the same, whichever QEMU that is',
      given: { ...behind, ...seen(), '/vm/vfio/0/enableMigration': 'on', '/source/qemu': undefined },
      verdict: 'allowed',
      found: [],
    },
    {
      name: 'what only may have kept it from starting',
      given: { ...behind, '/state': 'running', '/source/iommu/addressWidth': undefined },
      verdict: 'blocked',
      found: ['viommu-host-address-width unknown ', 'vfio-viommu fires query-migrate,migrate'],
    },
    {
      name: 'what else blocks it is not hidden behind that',
      given: {
        ...behind,
        '/state': 'running',
        '/vm/viommu/cachingMode': false,
        '/vm/vfio/0/type': 'vfio-pci',
        '/source/qemu': '10.2.2',
      },
      verdict: 'blocked',
      found: ['viommu-caching-mode contradicted ', 'vfio-viommu fires query-migrate,migrate'],
    },
  ])('$name', ({ given, verdict, found }) => {
    expect(outcomes(given)).toEqual({ verdict, found });
  });
});

describe('what QEMU itself lists in query-migrate', () => {
  it.each([
    {
      name: 'as predicted',
      given: { ...behind, ...seen(VIOMMU) },
      verdict: 'blocked',
      found: ['vfio-viommu fires query-migrate,migrate'],
    },
    {
      name: 'nothing, where a blocker was predicted',
      given: { ...behind, ...seen() },
      verdict: 'allowed',
      found: ['vfio-viommu contradicted '],
    },
    {
      name: 'a reason that a rule knows and did not predict',
      given: seen(OFF),
      verdict: 'blocked',
      found: ['vfio-migration-disabled contradicted query-migrate,migrate'],
    },
    {
      name: 'a reason that no rule knows',
      given: seen('the moon is in the wrong place'),
      verdict: 'blocked',
      found: ['runtime-blocked-reason contradicted query-migrate,migrate'],
    },
    {
      name: 'words that only begin and end like those that were predicted',
      given: { ...behind, ...seen(`${VIOMMU}, and ${VIOMMU}`) },
      verdict: 'blocked',
      found: ['vfio-viommu contradicted ', 'vfio-viommu contradicted query-migrate,migrate'],
    },
    {
      name: 'a device whose state cannot be saved, which migrate names whatever was added last',
      given: {
        '/vm/otherDevices': [{ type: 'nvme', id: 'nvme0' }],
        ...seen('the moon is in the wrong place', 'non-migratable device: 0000:00:05.0/nvme'),
      },
      verdict: 'blocked',
      found: ['device-unmigratable fires query-migrate,migrate', 'runtime-blocked-reason contradicted query-migrate'],
    },
    {
      name: 'one of two that were predicted',
      given: {
        ...behind,
        '/vm/vfio': [
          { id: 'a', host: '0000:3b:00.1' },
          { id: 'b', host: '0000:3b:00.2' },
        ],
        '/source/devices': { a: able, b: able },
        ...seen(VIOMMU),
      },
      verdict: 'blocked',
      found: ['vfio-viommu fires query-migrate,migrate', 'vfio-viommu contradicted '],
    },
    {
      name: 'nothing, where one blocker was predicted behind another',
      given: {
        '/source/devices/dev0': { protocol: 'v2', stopCopy: false, p2p: true, dmaLogging: false },
        '/migration/guestEvents': [],
        ...seen(),
      },
      verdict: 'allowed',
      found: ['vfio-migration-init contradicted ', 'vfio-dirty-tracking contradicted '],
    },
    {
      name: 'the one that was predicted behind another',
      given: {
        '/source/devices/dev0': { protocol: 'v2', stopCopy: false, p2p: true, dmaLogging: false },
        ...seen("0000:3b:00.1: VFIO device doesn't support device and IOMMU dirty tracking"),
      },
      verdict: 'blocked',
      found: ['vfio-migration-init contradicted ', 'vfio-dirty-tracking fires query-migrate,migrate'],
    },
    {
      name: 'what was unknown is known to hold',
      given: {
        '/source/devices/dev0': {},
        ...seen("0000:3b:00.1: VFIO device doesn't support device and IOMMU dirty tracking"),
      },
      verdict: 'blocked',
      found: ['vfio-dirty-tracking fires query-migrate,migrate'],
    },
    {
      name: 'what was unknown is known not to hold',
      given: { '/source/devices/dev0': { protocol: 'v2', stopCopy: true, p2p: true }, ...seen() },
      verdict: 'allowed',
      found: [],
    },
  ])('$name', ({ given, verdict, found }) => {
    const answer = outcomes(given);
    expect(answer.verdict).toBe(verdict);
    expect(answer.found).toEqual(expect.arrayContaining(found));
    expect(answer.found.filter((each) => each.includes('migrate') || each.includes('contradicted'))).toEqual(found);
  });
});

describe('the findings of a VM of which QEMU itself lists reasons', () => {
  const DIRTY = (device: string): string => `${device}: VFIO device doesn't support device and IOMMU dirty tracking`;
  const refusedCommand = { capabilities: ['mapped-ram'], parameters: { tls: true }, guestEvents: [] };
  const uncertain = { protocol: 'v2', stopCopy: true, p2p: true };
  const list = (given: Given) =>
    evaluate(descriptorWith(given)).findings.map(({ rule, outcome, device = 'VM' }) => `${rule} ${outcome} ${device}`);

  it.each([
    {
      name: 'reasons that were not predicted come after the blockers that were, and before what fails later',
      given: {
        '/source/devices/dev0/dmaLogging': false,
        '/migration': refusedCommand,
        ...seen(DIRTY('0000:3b:00.1'), 'the moon is in the wrong place', OFF),
      },
      listed: [
        'vfio-dirty-tracking fires dev0',
        'runtime-blocked-reason contradicted VM',
        'vfio-migration-disabled contradicted dev0',
        'migration-mapped-ram fires VM',
      ],
    },
    {
      name: 'without a blocker they come first',
      given: { '/migration': refusedCommand, ...seen('the moon is in the wrong place') },
      listed: ['runtime-blocked-reason contradicted VM', 'migration-mapped-ram fires VM'],
    },
    {
      name: 'they come after what would have kept the VM from starting',
      given: {
        ...behind,
        '/state': 'running',
        '/vm/vfio/0/enableMigration': 'on',
        '/migration': refusedCommand,
        ...seen('the moon is in the wrong place'),
      },
      listed: [
        'vfio-viommu contradicted dev0',
        'runtime-blocked-reason contradicted VM',
        'migration-mapped-ram fires VM',
      ],
    },
    {
      name: 'of two devices of which it was not known, it is the one that is named',
      given: {
        '/vm/vfio': [
          { id: 'a', host: '0000:3b:00.1', deviceDirtyTracking: 'on' },
          { id: 'b', host: '0000:3b:00.2', deviceDirtyTracking: 'on' },
        ],
        '/source/devices': { a: uncertain, b: uncertain },
        '/source/behaviours': { trackingStartFailure: 'printed' },
        ...seen(DIRTY('0000:3b:00.2')),
      },
      listed: ['vfio-dirty-tracking fires b'],
    },
    {
      name: 'of a device of which it was not known, it is the one whose model is named',
      given: {
        '/source/qemu': undefined,
        '/vm/vfio': [],
        '/vm/otherDevices': [{ type: 'nvme', id: 'nvme0' }],
        ...seen('non-migratable device: 0000:00:05.0/nvme'),
      },
      listed: ['device-unmigratable fires nvme0'],
    },
    {
      name: 'a reason that no rule knows settles nothing, and nothing that is no blocker is settled',
      given: { '/source/devices/dev0': uncertain, ...seen('the moon is in the wrong place') },
      listed: ['runtime-blocked-reason contradicted VM', 'vfio-tracking-start unknown dev0'],
    },
    {
      name: 'a device of which we do not know the path is the one whose path ends alike',
      given: {
        '/vm/otherDevices': [{ type: 'nvme', id: 'nvme0' }],
        ...seen('non-migratable device: 0000:00:05.0/nvme'),
      },
      listed: ['device-unmigratable fires nvme0'],
    },
    {
      name: 'one whose path ends otherwise is another',
      given: {
        '/vm/otherDevices': [{ type: 'nvme', id: 'nvme0' }],
        ...seen('non-migratable device: 0000:00:05.0/vmgenid'),
      },
      listed: ['device-unmigratable contradicted nvme0', 'device-unmigratable contradicted VM'],
    },
    {
      name: 'a node whose name QEMU made up has another number',
      given: {
        '/vm/disks': [{ node: '#block123', format: 'vmdk' }],
        ...seen("The vmdk format used by node '#block301' does not support live migration"),
      },
      listed: ['image-format fires #block123'],
    },
    {
      name: 'they are those of the source alone',
      given: {
        '/destination': { qemu: '10.2.2', kernel: '6.12', devices: { dev0: able } },
        ...seen('the moon is in the wrong place'),
      },
      listed: ['runtime-blocked-reason contradicted VM'],
    },
  ])('$name', ({ given, listed }) => {
    expect(list(given)).toEqual(listed);
  });

  it('rest on the reason, by its place in the list', () => {
    const { findings } = evaluate(descriptorWith(seen('the moon is in the wrong place', OFF)));
    expect(findings.map(({ evidence }) => evidence)).toEqual([
      [{ pointer: '/vm/runtime/blockedReasons/0', value: 'the moon is in the wrong place', origin: 'given' }],
      [{ pointer: '/vm/runtime/blockedReasons/1', value: OFF, origin: 'given' }],
    ]);
  });
});

const able = { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: true };
