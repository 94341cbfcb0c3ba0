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
    expect(said(given, 'query-migrate')).toContain('Migration is currently not supported with vIOMMU enabled');
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
  ])('$name', ({ given, verdict, effects }) => {
    const decision = evaluate(descriptorWith(given));
    expect(decision.verdict).toBe(verdict);
    const reached = decision.findings.filter(({ shadowedBy }) => shadowedBy === undefined);
    expect(reached.map(({ host, effect }) => [host, effect])).toEqual(effects.map((effect) => ['destination', effect]));
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
