import { describe, expect, it } from 'vitest';
import { type KernelAbility, kernelAbilities, kernelHas } from '../../src/platform/kernel.ts';
import { parseVersion } from '../../src/platform/version.ts';

const linux = (text: string) => {
  const version = parseVersion(text);
  if (!version) throw new Error(text);
  return version;
};

describe('kernelHas', () => {
  it.each<[ability: KernelAbility, not: string, has: string]>([
    ['dmaEntryLimit', '5.0.21', '5.1'],
    ['dirtyPages', '5.7', '5.8'],
    ['unmapAll', '5.10.13', '5.15.85'],
    ['dmaLogging', '6.0', '6.1.192'],
    ['iommufd', '6.1.0-56-amd64', '6.2'],
    ['hwptDirtyTracking', '6.6', '6.7'],
    ['changeProcess', '6.12.107+deb13-amd64', '7.1.8'],
    ['overflowErrno', '6.12.107', '7.1.8'],
  ])('%s: not in %s, in %s', (ability, not, has) => {
    expect([kernelHas(linux(not), ability), kernelHas(linux(has), ability)]).toEqual([false, true]);
  });
});

describe('kernelAbilities', () => {
  it.each([
    ['5.7', { dirtyPages: false, unmapAll: false, updateVaddr: 'absent', hwptDirtyTracking: false }],
    ['5.15', { dirtyPages: true, unmapAll: true, updateVaddr: 'any', wrapErrno: 'EINVAL' }],
    ['6.12', { updateVaddr: 'iommu-only', hwptDirtyTracking: true, wrapErrno: 'EINVAL', lastPage: false }],
    ['7.3.4', { wrapErrno: 'EOVERFLOW', lastPage: true }],
  ])('of Linux %s', (version, expected) => {
    expect(kernelAbilities(linux(version))).toMatchObject(expected);
  });
});
