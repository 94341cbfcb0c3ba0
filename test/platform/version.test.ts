import { describe, expect, it } from 'vitest';
import { qemuBehaviours, qemuReleases } from '../../src/platform/qemu.ts';
import { isAtLeast, PACKED_MAX, PACKED_MIN, parseVersion } from '../../src/platform/version.ts';

describe('parseVersion reads versions as people write them', () => {
  it.each([
    ['10.2.2', [10, 2, 2]],
    ['8.2', [8, 2, 0]],
    ['qemu-kvm-9.1.0-15.el9', [9, 1, 0]],
    ['1:11.1.3+ds-1~bpo13+1', [11, 1, 3]],
    ['10002002', [10, 2, 2]],
    ['7002022', [7, 2, 22]],
    [10002002, [10, 2, 2]],
    [PACKED_MIN, [1, 0, 0]],
    [PACKED_MAX, [999, 999, 999]],
    ['6.12.107+deb13-amd64', [6, 12, 107]],
    ['QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)', [7, 2, 22]],
  ])('%s', (text, [major, minor, micro]) => {
    expect(parseVersion(text)).toEqual({ major, minor, micro });
  });

  it.each(['', 'eleven', '11', 'v'])('%j has none', (text) => {
    expect(parseVersion(text)).toBeNull();
  });
});

describe('isAtLeast', () => {
  it.each([
    ['10.0', '9.2', true],
    ['9.2', '10.0', false],
    ['10.2.2', '10.2', true],
    ['10.1.9', '10.2', false],
  ] as const)('%s is at least %s: %s', (text, release, expected) => {
    const version = parseVersion(text);
    if (!version) throw new Error(text);
    expect(isAtLeast(version, release)).toBe(expected);
  });
});

describe('qemuBehaviours', () => {
  it.each([
    ['7.1', undefined],
    ['7.2.22', 'never'],
    ['8.0.5', 'any-device'],
    ['8.1', 'each-device'],
    ['10.2.2', 'each-device'],
    ['11.0', 'device-tracking'],
    ['12.0', 'device-tracking'],
  ])('viommuBlock of %s is %s', (text, value) => {
    const version = parseVersion(text);
    if (!version) throw new Error(text);
    expect(qemuBehaviours(version)?.viommuBlock).toBe(value);
  });

  it('changes with these releases and no others', () => {
    expect(qemuReleases).toEqual(['7.2', '8.0', '8.1', '8.2', '9.0', '9.1', '10.0', '10.1', '10.2', '11.0', '11.1']);
  });
});
