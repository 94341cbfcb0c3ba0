import { describe, expect, it } from 'vitest';
import { NEWEST_QEMU, OLDEST_QEMU, qemuBehaviours, qemuSince } from '../../src/platform/qemu.ts';
import { qemuSeries, rangesOf, releasesOf, releasesText } from '../../src/platform/releases.ts';
import { isAtLeast, parseVersion, type Release, type Version } from '../../src/platform/version.ts';
import type { BehaviourName } from '../../src/simulator/index.ts';

const versionOf = (release: Release): Version => parseVersion(release) as Version;

describe('releasesOf', () => {
  it.each([
    ['viommuBlock', 'never', { since: '7.2', until: '8.0' }],
    ['viommuBlock', 'each-device', { since: '8.1', until: '11.0' }],
    ['viommuBlock', 'device-tracking', { since: '11.0' }],
    // A patch without a release ends nothing.
    ['ramLimit', 'type1-bitmap', { since: '11.0' }],
    ['ramLimit', 'legacy-over-8tib', null],
    ['domainUnmap', 'tracked-while-migrating', null],
  ] as const)('%s %s', (behaviour, value, expected) => {
    expect(releasesOf(behaviour, value)).toEqual(expected);
  });

  const values = Object.entries(qemuSince).flatMap(([name, since]) =>
    Object.keys(since).map((value) => [name as BehaviourName, value] as const),
  );

  it.each(values)('%s %s is what the QEMUs of that range do, and no others', (name, value) => {
    const releases = releasesOf(name, value);
    for (const series of qemuSeries) {
      const version = versionOf(series);
      const isIn =
        releases !== null &&
        isAtLeast(version, releases.since) &&
        !(releases.until && isAtLeast(version, releases.until));
      expect([series, qemuBehaviours(version)?.[name] === value]).toEqual([series, isIn]);
    }
  });
});

describe('qemuSeries', () => {
  it('is every series there was', () => {
    expect(qemuSeries.join(' ')).toBe('7.2 8.0 8.1 8.2 9.0 9.1 9.2 10.0 10.1 10.2 11.0 11.1');
    expect([qemuSeries[0], qemuSeries.at(-1)]).toEqual([OLDEST_QEMU, NEWEST_QEMU]);
  });
});

describe('rangesOf', () => {
  it.each<[series: Release[], ranges: ReturnType<typeof rangesOf>, text: string]>([
    [[], [], ''],
    [['7.2'], [{ since: '7.2', until: '8.0' }], '7.2'],
    [['8.1', '8.2', '9.0'], [{ since: '8.1', until: '9.1' }], '8.1 to 9.0'],
    [['11.1'], [{ since: '11.1' }], '11.1 and later'],
    [['8.0', '11.0', '11.1'], [{ since: '8.0', until: '8.1' }, { since: '11.0' }], '8.0, 11.0 and later'],
    [[...qemuSeries], [{ since: '7.2' }], '7.2 and later'],
  ])('%j', (series, ranges, text) => {
    expect(rangesOf(new Set(series))).toEqual(ranges);
    expect(ranges.map(releasesText).join(', ')).toBe(text);
  });
});
