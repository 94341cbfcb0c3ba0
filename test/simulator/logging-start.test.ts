import { describe, expect, it } from 'vitest';
import { type Machine, simulate } from '../../src/simulator/index.ts';

const GIB = 1n << 30n;

/** A container whose devices log: 16 GiB of RAM on q35, without vIOMMU. */
const machine: Machine = {
  behaviours: { domainUnmap: 'whole', bitmapGate: 'tracking-started', iommufdUnmap: 'plain', regionDelBitmap: 'none' },
  viommu: { model: 'none' },
  container: {
    backend: 'legacy',
    tracker: 'device',
    devices: 2,
    trackingHwpts: 0,
    pageSize: 4096n,
    maxDirtyBitmapSize: 1n << 28n,
    allocatable: null,
  },
  tracking: 'off',
  mappings: [],
  sections: [
    { gpa: 0n, size: 2n * GIB, readOnly: false },
    { gpa: 4n * GIB, size: 14n * GIB, readOnly: false },
  ],
};

const intel: Machine['viommu'] = { model: 'intel', addressWidth: 48, scalableMode: false, firstStage: false };
const bits = (min: number, max: number, maxRanges?: number): Machine => ({
  ...machine,
  container: { ...machine.container, loggingBits: { min, max, ...(maxRanges !== undefined && { maxRanges }) } },
});
const bar = { gpa: 8n * GIB, size: GIB, readOnly: false, vfioPci: true };
const highBar = { ...bar, gpa: 64n * GIB };

describe('devices are asked to log', () => {
  it.each<[string, Machine, object]>([
    ['no limit', machine, { ioctls: 2, ranges: [{ size: 2n * GIB }, { size: 14n * GIB }] }],
    ['16 GiB are 34 bits: just enough', bits(12, 34), { ioctls: 2 }],
    [
      'one bit too few',
      bits(12, 33),
      { ioctls: 1, failure: { errno: 'EOPNOTSUPP', refusedBy: 'kernel' }, reaches: 'migration' },
    ],
    ['no less than the device can log', bits(34, 42), { ioctls: 2 }],
    ['one bit short', bits(35, 42), { failure: { errno: 'EOPNOTSUPP' } }],
    ['as many ranges as the device has', bits(12, 34, 2), { ioctls: 2 }],
    [
      'one range too few: the gap of 2 GiB is logged too',
      bits(12, 34, 1),
      { ranges: [{ size: 2n * GIB }, { size: 14n * GIB }], failure: { errno: 'EOPNOTSUPP' } },
    ],
    [
      'a BAR above is a range of its own',
      { ...machine, sections: [...machine.sections, highBar] },
      { ranges: [{ class: 'below-4g' }, { size: 14n * GIB }, { class: 'pci-above-4g', iova: 64n * GIB, size: GIB }] },
    ],
    [
      'a BAR of a device in another container widens the range of RAM',
      { ...machine, sections: [...machine.sections, { ...highBar, foreign: true }] },
      { ranges: [{ class: 'below-4g' }, { class: 'above-4g', size: 61n * GIB }] },
    ],
    [
      'three ranges into two: the nearer ones are joined',
      { ...bits(12, 35, 2), sections: [...machine.sections, highBar] },
      { ioctls: 2 },
    ],
    [
      'three ranges into one',
      { ...bits(12, 36, 1), sections: [...machine.sections, highBar] },
      { failure: { errno: 'EOPNOTSUPP' } },
    ],
    [
      'the gap counts as much as it is: 32 GiB in all',
      {
        ...bits(12, 35, 1),
        sections: [
          { gpa: 0n, size: 2n * GIB, readOnly: false },
          { gpa: 4n * GIB, size: 28n * GIB, readOnly: false },
        ],
      },
      { ioctls: 2 },
    ],
    [
      'the nearer ones may be the upper ones: 64 GiB in all',
      {
        ...bits(12, 36, 2),
        sections: [
          { gpa: 0n, size: GIB, readOnly: false },
          { gpa: 4n * GIB, size: 58n * GIB, readOnly: false },
          { ...bar, gpa: 63n * GIB, size: 4n * GIB },
        ],
      },
      { ioctls: 2 },
    ],
    [
      'ranges that touch at 4 GiB are two',
      { ...machine, sections: [...machine.sections, { gpa: 3n * GIB, size: GIB, readOnly: false }] },
      { ioctls: 2, ranges: [{ size: 4n * GIB }, { iova: 4n * GIB, size: 14n * GIB }] },
    ],
    [
      'before 8.2 a BAR above widens the range of RAM',
      {
        ...machine,
        behaviours: { ...machine.behaviours, loggingRanges: 'two' },
        sections: [...machine.sections, highBar],
      },
      { ranges: [{ size: 2n * GIB }, { iova: 4n * GIB, size: 61n * GIB }] },
    ],
    [
      'memory that devices cannot write is not logged',
      { ...machine, sections: [...machine.sections, { gpa: 32n * GIB, size: GIB, readOnly: true }] },
      { ranges: [{ size: 2n * GIB }, { size: 14n * GIB }] },
    ],
    [
      'behind intel-iommu the upper range reaches 2^64',
      { ...machine, viommu: intel },
      { failure: { errno: 'EOVERFLOW' } },
    ],
    [
      'a BAR inside the hull of RAM',
      { ...machine, sections: [...machine.sections, bar] },
      { failure: { errno: 'EINVAL' } },
    ],
    ['no section at all', { ...machine, sections: [] }, { ioctls: 0, failure: { errno: 'ENOMEM', refusedBy: 'qemu' } }],
  ])('%s', (_name, given, expected) => {
    const domain = given.viommu.model === 'none' ? 'identity' : 'blocking';
    const { steps } = simulate({ ...given, domain }, [
      { type: 'tracking-start', by: 'migration' },
      { type: 'tracking-stop' },
    ]);
    expect(steps[0]).toMatchObject({ kind: 'tracking-start', tracker: 'device', ...expected });
    // What failed is off again.
    expect(steps).toHaveLength('failure' in expected ? 1 : 2);
  });
});
