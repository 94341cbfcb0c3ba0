import { describe, expect, it } from 'vitest';
import { evaluate } from '../../src/evaluation/evaluate.ts';
import { descriptorWith, type Given, intel48 } from '../rules/rule-tester.ts';

const able = { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: true };
const devices = (...abilities: readonly object[]): Given => ({
  '/vm/vfio': abilities.map((_, i) => ({ id: `d${i}`, host: `0000:3b:00.${i}` })),
  '/source/devices': Object.fromEntries(abilities.map((ability, i) => [`d${i}`, { ...able, ...ability }])),
});

/** Everything said by one reporter, in order. */
function said(given: Given, reporter: 'start' | 'query-migrate' | 'migrate'): string[] {
  return evaluate(descriptorWith(given)).findings.flatMap(({ reportedBy, messages }) => {
    const text = { start: messages.start, 'query-migrate': messages.queryMigrate, migrate: messages.migrate }[reporter];
    return reportedBy.includes(reporter) && text !== undefined ? [text] : [];
  });
}

const P2P = 'Multiple VFIO devices migration is supported only if all of them support P2P migration';
const behindViommu = (device: number) =>
  `0000:3b:00.${device}: Migration is currently not supported with vIOMMU enabled`;

const DEVICE = '0000:3b:00.1: VFIO migration is not supported in kernel';
const PEER = "Migration is disabled when using feature 'peer mode' in device 'ivshmem'";
const refusedCommand = { capabilities: ['mapped-ram'], parameters: { tls: true } };

describe('what is read where', () => {
  const behind = { ...devices({}, { p2p: false }), '/vm/viommu': intel48, '/source/qemu': '11.1.3' };

  it('query-migrate lists all blockers in realize order', () => {
    expect(said(devices({}, { dmaLogging: false }, { protocol: 'none' }), 'query-migrate')).toEqual([
      "0000:3b:00.1: VFIO device doesn't support device and IOMMU dirty tracking",
      '0000:3b:00.2: VFIO migration is not supported in kernel',
    ]);
  });

  it('a device stops at its first refusal; the rest is shadowed', () => {
    const { findings } = evaluate(descriptorWith({ ...devices({ dmaLogging: false }), '/vm/viommu': intel48 }));
    expect(findings.find(({ rule }) => rule === 'vfio-viommu')?.shadowedBy).toBe('vfio-dirty-tracking');
  });

  it('the blocker that stands for all devices does not end the realizing of one', () => {
    expect(said(behind, 'query-migrate')).toEqual([behindViommu(0), P2P, behindViommu(1)]);
  });

  it('migrate names the blocker that was added last', () => {
    expect(said(behind, 'migrate')).toEqual([behindViommu(1)]);
  });

  it('migrate names no warning', () => {
    const given = { ...devices({ protocol: 'none' }, { dmaLogging: false }), '/vm/vfio/1/enableMigration': 'on' };
    expect(said(given, 'start')).toEqual([
      "warning: 0000:3b:00.1: VFIO device doesn't support device and IOMMU dirty tracking",
    ]);
    expect(said(given, 'migrate')).toEqual(['0000:3b:00.0: VFIO migration is not supported in kernel']);
  });

  it('one P2P blocker stands for all devices', () => {
    expect(said(devices({ p2p: false }, {}, {}), 'query-migrate')).toEqual([P2P]);
  });

  it('8.1 lets a device in that is on, once the blocker is there', () => {
    const given = { ...devices({}, {}, {}), '/source/qemu': '8.1', '/vm/vfio/2/enableMigration': 'on' };
    expect(said(given, 'query-migrate')).toEqual(['Migration is currently not supported with multiple VFIO devices']);
    expect(said(given, 'start')).toEqual([]);
  });

  it('8.0 says once that there is a vIOMMU', () => {
    const on = { '/vm/vfio/0/enableMigration': 'on', '/vm/vfio/1/enableMigration': 'on' };
    const given = { ...devices({}, {}), ...on, '/source/qemu': '8.0', '/vm/viommu': intel48 };
    expect(said(given, 'query-migrate')).toEqual([
      'Migration is currently not supported with vIOMMU enabled',
      'Migration is currently not supported with multiple VFIO devices',
    ]);
    expect(evaluate(descriptorWith(given)).findings.filter(({ rule }) => rule === 'vfio-viommu')).toHaveLength(1);
  });

  it('a start failure alone decides, whatever else stands in its shadow', () => {
    const given = { ...devices({ dmaLogging: false }, {}), '/vm/viommu': intel48, '/vm/vfio/1/enableMigration': 'on' };
    const decision = evaluate(descriptorWith(given));
    expect(decision.because).toEqual(['start-failure']);
    expect(decision.summary).toBe(
      `QEMU refuses: The device sits behind a vIOMMU (d1): "vfio 0000:3b:00.1: ${behindViommu(1)}".`,
    );
  });

  it('a start failure leaves nothing else to read', () => {
    const given = { ...devices({ dmaLogging: false }, { protocol: 'none' }), '/vm/vfio/1/enableMigration': 'on' };
    expect(said(given, 'start')).toEqual([
      'vfio 0000:3b:00.1: 0000:3b:00.1: VFIO migration is not supported in kernel',
    ]);
    expect(said(given, 'query-migrate')).toEqual([]);
  });

  it.each([
    { name: 'the VFIO devices last, where no place is given', others: undefined, vfio: undefined, last: DEVICE },
    { name: 'by place on the command line', others: 2, vfio: 1, last: PEER },
    { name: 'by place on the command line, the other way', others: 1, vfio: 2, last: DEVICE },
    { name: 'what has no place first', others: undefined, vfio: 0, last: DEVICE },
  ])('devices are realized $name', ({ others, vfio, last }) => {
    const given = {
      '/vm/otherDevices': [{ type: 'ivshmem-plain', position: others }],
      '/vm/vfio/0/position': vfio,
      '/source/devices/dev0/protocol': 'none',
    };
    expect(said(given, 'query-migrate').at(-1)).toBe(last);
    expect(said(given, 'query-migrate').toSorted()).toEqual([DEVICE, PEER].toSorted());
    expect(said(given, 'migrate')).toEqual([last]);
  });

  it('-only-migratable leaves alone what is no blocker', () => {
    const { findings } = evaluate(descriptorWith({ '/vm/onlyMigratable': true, '/migration': refusedCommand }));
    expect(findings.map(({ effect }) => effect)).toEqual(['migration-failure']);
  });

  it('-only-migratable makes a start failure of the first blocker', () => {
    const given = { ...devices({ dmaLogging: false }, {}), '/vm/onlyMigratable': true };
    expect(said(given, 'start')).toEqual([
      "vfio 0000:3b:00.0: disallowing migration blocker (--only-migratable) for: 0000:3b:00.0: VFIO device doesn't support device and IOMMU dirty tracking",
    ]);
  });

  it('what exits QEMU once the machine is built comes after what fails a device', () => {
    const given = {
      '/source/qemu': '10.0',
      '/vm/viommu': { ...intel48, cachingMode: false },
      '/vm/vfio/0/enableMigration': 'on',
    };
    expect(said(given, 'start')).toEqual([
      'vfio 0000:3b:00.1: 0000:3b:00.1: Migration is currently not supported with vIOMMU enabled',
    ]);
  });

  it('what exits QEMU once the machine is built leaves nothing else to read', () => {
    const given = { '/source/qemu': '10.0', '/vm/viommu': { ...intel48, cachingMode: false } };
    expect(said(given, 'start')).toEqual([
      'We need to set caching-mode=on for intel-iommu to enable device assignment with IOMMU protection.',
    ]);
    expect(said(given, 'query-migrate')).toEqual([]);
  });
});

describe('what never comes to pass, because of what fails before', () => {
  const tracked: Given = {
    '/vm/viommu': intel48,
    '/vm/vfio/0/enableMigration': 'on',
    '/vm/vfio/0/guestDomain': 'dma',
    '/vm/vfio/0/mappings': [],
    '/migration/guestEvents': ['domain-switch', 'unmap'],
    '/source/devices/dev0/dmaLogging': false,
    '/source/behaviours': { viommuBlock: 'device-tracking' },
  };
  const shares = [
    { type: 'nvme', id: 'nvme0', properties: { drive: 'd' } },
    { type: 'nvme-ns', id: 'ns0', properties: { bus: 'nvme0', drive: 'e' } },
    { type: 'vhost-user-fs-pci', id: 'fs0', backend: { 'device-state': false, 'log-all': true, 'log-shmfd': true } },
  ];

  it.each([
    {
      name: 'a hazard keeps nothing from happening',
      given: tracked,
      listed: ['vfio-dirty-tracking', 'vfio-unmap', 'viommu-unmap-credit'],
    },
    {
      name: 'migrate is refused: nothing of what happens while migration runs',
      given: { ...tracked, '/migration': refusedCommand },
      listed: [
        'vfio-dirty-tracking',
        'migration-mapped-ram',
        'vfio-unmap behind migration-mapped-ram',
        'viommu-unmap-credit behind migration-mapped-ram',
      ],
    },
    {
      name: 'migrate is refused over a blocker before what it is called with is looked at',
      given: { '/source/devices/dev0/dmaLogging': false, '/migration': refusedCommand },
      listed: ['vfio-dirty-tracking', 'migration-mapped-ram behind vfio-dirty-tracking'],
    },
    {
      name: 'migrate is refused over the first of what it is called with',
      given: {
        '/migration': { ...refusedCommand, mode: 'cpr-reboot', capabilities: ['mapped-ram', 'x-colo'] },
        '/vm/vfio': [],
      },
      listed: ['migration-mapped-ram', 'migration-cpr behind migration-mapped-ram'],
    },
    {
      name: 'migrate is refused over the first of what it is called with, a device’s or not',
      given: {
        '/migration': { ...refusedCommand, capabilities: ['mapped-ram', 'postcopy-ram', 'background-snapshot'] },
      },
      listed: [
        'migration-mapped-ram',
        'vfio-postcopy behind migration-mapped-ram',
        'vfio-background-snapshot behind migration-mapped-ram',
      ],
    },
    {
      name: 'migrate is refused: what would fail as state is saved',
      given: {
        '/source/behaviours': { nvmeMigration: 'by-feature' },
        '/vm/otherDevices': shares.slice(0, 2),
        '/migration': refusedCommand,
      },
      listed: ['migration-mapped-ram', 'nvme-namespaces behind migration-mapped-ram'],
    },
    {
      name: 'tracking cannot start: what happens later, but not what needs no migration',
      given: {
        ...tracked,
        '/source/qemu': '11.1.3',
        '/source/behaviours': { ramLimit: 'none' },
        '/vm/memory': '9TiB',
        '/vm/vfio/0/guestDomain': 'identity',
        '/migration/guestEvents': ['domain-switch', 'dirty-rate'],
      },
      listed: [
        'vfio-dirty-tracking',
        'viommu-dirty-rate',
        'vfio-tracking-start',
        'vfio-section-unmap behind vfio-tracking-start',
      ],
    },
    {
      name: 'saving state fails: what else would, and what would come of a migration that succeeds',
      given: {
        ...tracked,
        '/source/behaviours': { viommuBlock: 'device-tracking', nvmeMigration: 'by-feature' },
        '/vm/otherDevices': shares,
      },
      listed: [
        'vfio-dirty-tracking',
        'vfio-unmap',
        'viommu-unmap-credit behind nvme-namespaces',
        'nvme-namespaces',
        'virtiofs-backend behind nvme-namespaces',
      ],
    },
  ])('$name', ({ given, listed }) => {
    const findings = evaluate(descriptorWith(given)).findings.filter(({ outcome }) => outcome === 'fires');
    expect(
      findings.map(({ rule, shadowedBy }) => (shadowedBy === undefined ? rule : `${rule} behind ${shadowedBy}`)),
    ).toEqual(listed);
  });
});

describe('a device whose state cannot be saved', () => {
  const others = { '/vm/otherDevices': [{ type: 'nvme', id: 'nvme0' }], '/migration': refusedCommand };

  it.each([
    { name: 'a warning', given: { '/source/devices/dev0/dmaLogging': false }, before: 'vfio-dirty-tracking' },
    {
      name: 'a start failure',
      given: { '/source/devices/dev0/protocol': 'none' },
      before: 'vfio-no-migration-support',
    },
  ])('comes after $name, and before what fails later, what is clear listed or not', ({ given, before }) => {
    const vm = descriptorWith({ ...others, ...given, '/vm/vfio/0/enableMigration': 'on' });
    for (const includeClear of [false, true]) {
      const { findings } = evaluate(vm, { includeClear });
      expect(findings.filter(({ outcome }) => outcome === 'fires').map(({ rule }) => rule)).toEqual([
        before,
        'device-unmigratable',
        'migration-mapped-ram',
      ]);
    }
  });
});

describe('blockers by mode', () => {
  const blocked: Given = {
    '/vm/disks': [{ node: 'd0', format: 'vmdk' }],
    '/vm/otherDevices': [
      { type: 'ivshmem-plain', id: 'peer' },
      { type: 'nvme', id: 'nvme0' },
    ],
    '/vm/memoryBackends': [{ size: '4GiB', share: true }],
    '/source/devices/dev0/protocol': 'none',
  };

  it.each([
    {
      name: 'a snapshot is a migration of mode normal',
      given: { '/migration/mode': 'snapshot' },
      blockers: ['image-format', 'ivshmem-peer', 'vfio-no-migration-support', 'device-unmigratable'],
    },
    {
      name: 'in another mode images do not block, nor VFIO devices',
      given: { '/migration/mode': 'cpr-transfer' },
      blockers: ['ivshmem-peer', 'device-unmigratable'],
    },
    {
      name: 'in 8.1, in which VFIO has no part in CPR, its devices do',
      given: { '/migration/mode': 'cpr-reboot', '/source/qemu': '8.1.5' },
      blockers: ['ivshmem-peer', 'vfio-no-migration-support', 'device-unmigratable'],
    },
  ])('$name', ({ given, blockers }) => {
    const { findings } = evaluate(descriptorWith({ ...blocked, ...given }));
    expect(findings.filter(({ effect }) => effect === 'blocker').map(({ rule }) => rule)).toEqual(blockers);
  });

  it('what happens while memory is copied does not where it is not', () => {
    const given = {
      '/vm/viommu': intel48,
      '/vm/vfio/0/enableMigration': 'on',
      '/source/devices/dev0/dmaLogging': false,
      '/source/behaviours': { viommuBlock: 'device-tracking' },
      '/migration/mode': 'snapshot',
    };
    expect(evaluate(descriptorWith(given)).findings.map(({ rule }) => rule)).toEqual(['vfio-dirty-tracking']);
  });
});

describe('the destination', () => {
  const there = (destination: object): Given => ({
    '/destination': { qemu: '10.2.2', kernel: '6.12', devices: { dev0: able }, ...destination },
  });

  it.each([
    { name: 'the same abilities', given: there({}), verdict: 'allowed', effects: [] },
    {
      name: 'without migration support it cannot take the state',
      given: there({ devices: { dev0: { protocol: 'none' } } }),
      verdict: 'blocked',
      effects: ['migration-failure'],
    },
    {
      name: 'a blocker there is a one-way door',
      given: there({ devices: { dev0: { ...able, dmaLogging: false } } }),
      verdict: 'allowed',
      effects: ['warning'],
    },
    {
      name: 'a device that does not start there cannot arrive',
      given: { ...there({ devices: { dev0: { ...able, stopCopy: false } } }), '/vm/vfio/0/enableMigration': 'on' },
      verdict: 'blocked',
      effects: ['start-failure'],
    },
    {
      name: 'nor is there such a door behind a device that does not start',
      given: {
        ...devices({}, {}),
        ...there({ devices: { d0: { ...able, dmaLogging: false }, d1: { ...able, stopCopy: false } } }),
        '/vm/vfio/1/enableMigration': 'on',
      },
      verdict: 'blocked',
      effects: ['start-failure'],
    },
  ])('$name', ({ given, verdict, effects }) => {
    const decision = evaluate(descriptorWith(given));
    expect(decision.verdict).toBe(verdict);
    const reached = decision.findings.filter(({ shadowedBy }) => shadowedBy === undefined);
    expect(reached.map(({ host, effect }) => [host, effect])).toEqual(effects.map((effect) => ['destination', effect]));
  });
});

describe('on the destination', () => {
  const destination = { '/destination': { qemu: '10.2.2', kernel: '6.12', devices: { dev0: able } } };

  it('nobody calls migrate', () => {
    const { findings } = evaluate(descriptorWith({ ...destination, '/vm/disks': [{ node: 'd0', format: 'vmdk' }] }));
    expect(findings.map(({ host, messages }) => [host, Object.keys(messages)])).toEqual([
      ['source', ['queryMigrate', 'migrate']],
      ['destination', ['queryMigrate']],
    ]);
  });

  it('nothing comes to pass that does while the source migrates', () => {
    const { findings } = evaluate(descriptorWith({ ...destination, '/migration': refusedCommand }));
    expect(findings.map(({ host, rule }) => [host, rule])).toEqual([['source', 'migration-mapped-ram']]);
  });
});

describe('a device that is unplugged before the migration', () => {
  const unplugged = { '/vm/vfio/0/unpluggedForMigration': true };

  it('is not prepared for it', () => {
    expect(evaluate(descriptorWith({ ...unplugged, '/source/devices/dev0/protocol': 'none' })).findings).toEqual([]);
  });

  it('must be one that can be plugged in all the same', () => {
    const given = { ...unplugged, '/vm/viommu': { ...intel48, cachingMode: false } };
    expect(evaluate(descriptorWith(given)).findings.map(({ rule }) => rule)).toEqual(['viommu-caching-mode']);
  });
});

describe('containers', () => {
  it.each([
    { name: 'legacy devices share one', given: devices({}, {}), containers: [['d0', 'd1']] },
    {
      name: 'behind a vIOMMU each has its own',
      given: { ...devices({}, {}), '/vm/viommu': intel48 },
      containers: [['d0'], ['d1']],
    },
    {
      name: 'iommufd devices share by object',
      given: {
        ...devices({}, {}, {}),
        '/vm/vfio/0/backend': 'iommufd',
        '/vm/vfio/1/backend': 'iommufd',
        '/vm/vfio/1/iommufdObject': 'other',
        '/vm/vfio/2/backend': 'iommufd',
      },
      containers: [['d0', 'd2'], ['d1']],
    },
    {
      name: 'a failover primary is in none',
      given: { ...devices({}, {}), '/vm/vfio/0/unpluggedForMigration': true },
      containers: [['d1']],
    },
  ])('$name', ({ given, containers }) => {
    expect(evaluate(descriptorWith(given)).containers.map((container) => container.devices)).toEqual(containers);
  });

  it.each([
    { name: 'its one device', given: devices({}), names: ['d0'] },
    { name: 'none of several', given: devices({}, {}), names: [undefined] },
    {
      name: 'not the device that is elsewhere',
      given: { ...devices({}, {}), '/vm/vfio/1/backend': 'iommufd' },
      names: ['d0'],
    },
  ])('a finding about one names $name', ({ given, names }) => {
    const { findings } = evaluate(descriptorWith({ ...given, '/source/type1': { dmaEntryLimit: 3 } }));
    expect(findings.filter(({ rule }) => rule === 'host-dma-entries').map(({ device }) => device)).toEqual(names);
  });

  it.each([
    { name: 'all devices log', given: devices({}, {}), tracker: 'device' },
    {
      name: 'one device that does not log moves all to type1',
      given: devices({}, { dmaLogging: false }),
      tracker: 'type1',
    },
    { name: 'nothing is known', given: { ...devices({}), '/source/devices': undefined }, tracker: 'unknown' },
  ])('tracker: $name', ({ given, tracker }) => {
    expect(evaluate(descriptorWith(given)).containers[0]?.tracker).toBe(tracker);
  });
});
