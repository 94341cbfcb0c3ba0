import { describe, expect, it } from 'vitest';
import { knownPlatforms } from '../../src/report/platforms.ts';
import { ruleSummaries } from '../../src/report/catalogue.ts';
import { behaviourValues } from '../../src/simulator/index.ts';

const { qemu, kernel, machineTypes, drivers, libvirt } = knownPlatforms;

describe('the QEMU matrix', () => {
  it('has every behaviour that a host may override', () => {
    expect(qemu.behaviours.map(({ name }) => name)).toEqual(Object.keys(behaviourValues));
  });

  it.each(qemu.behaviours)(
    '$name has a value for every series, and a range for every value',
    ({ values, bySeries }) => {
      expect(Object.keys(bySeries).toSorted()).toEqual(qemu.series.toSorted());
      const released = values.filter(({ versions }) => versions !== null).map(({ value }) => value);
      expect(new Set(Object.values(bySeries))).toEqual(new Set(released));
    },
  );

  it('says which rules go by a behaviour', () => {
    const behaviour = qemu.behaviours.find(({ name }) => name === 'viommuBlock');
    expect(behaviour?.rules).toEqual(['vfio-viommu']);
    const keyed = new Set(qemu.behaviours.flatMap(({ rules }) => rules));
    expect(ruleSummaries.map(({ id }) => id)).toEqual(expect.arrayContaining([...keyed]));
  });
});

describe('the other tables', () => {
  it('kernels', () => {
    expect(kernel.abilities).toContainEqual(expect.objectContaining({ name: 'hwptDirtyTracking', since: '6.7' }));
    expect(kernel.dmaEntryLimit).toBe(65535);
  });

  it('machine types, a row for each change', () => {
    expect(machineTypes.filter(({ board }) => board === 'q35')).toEqual([
      { board: 'q35', viommu: 'intel', until: '9.2', addressWidth: 39 },
      { board: 'q35', viommu: 'intel', since: '9.2', addressWidth: 48 },
      { board: 'q35', viommu: 'virtio', until: '9.0', addressWidth: 64 },
      { board: 'q35', viommu: 'virtio', since: '9.0', addressWidth: 39 },
    ]);
  });

  it('drivers', () => {
    expect(drivers).toContainEqual({ name: 'mlx5_vfio_pci', protocol: 'v2', dmaLogging: { since: '6.1' } });
    expect(drivers).toContainEqual({ name: 'pds_vfio_pci', dmaLogging: { since: '6.12', notIn: '6.1' } });
  });

  it('libvirt', () => {
    expect(libvirt).toContainEqual(expect.objectContaining({ name: 'domain-iommufd', since: '12.2' }));
    expect(libvirt).toContainEqual(expect.objectContaining({ name: 'iommu-amd', since: null }));
  });
});
