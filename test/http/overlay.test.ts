import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearest, overlay } from '../../src/http/overlay.ts';

describe('a descriptor over another', () => {
  const lower = {
    closed: true,
    vm: {
      memory: '4GiB',
      viommu: { model: 'intel', addressWidth: 48 },
      vfio: [{ id: 'hostdev0', host: '0000:3b:00.1' }, { host: '0000:3b:00.2' }],
      otherDevices: [{ type: 'nvme', id: 'disk0', properties: { serial: 'a' } }],
      disks: [{ node: 'libvirt-1', format: 'raw' }],
      memoryBackends: [{ size: '2GiB' }, { size: '2GiB' }],
    },
    source: {},
  };

  it.each<[what: string, upper: object, result: object]>([
    ['nothing', {}, {}],
    ['a member that it lacks', { state: 'running' }, { state: 'running' }],
    ['a member that it has', { closed: false }, { closed: false }],
    [
      'members of members',
      { vm: { viommu: { addressWidth: 39 } } },
      { vm: { viommu: { model: 'intel', addressWidth: 39 } } },
    ],
    ['null for an object', { vm: { viommu: null } }, { vm: { viommu: null } }],
    [
      'devices by id',
      { vm: { vfio: [{ id: 'hostdev0', guestDomain: 'dma' }] } },
      { vm: { vfio: [{ id: 'hostdev0', host: '0000:3b:00.1', guestDomain: 'dma' }, { host: '0000:3b:00.2' }] } },
    ],
    [
      'a device by the id that it has by its place',
      { vm: { vfio: [{ id: 'dev1', backend: 'iommufd' }] } },
      {
        vm: {
          vfio: [
            { id: 'hostdev0', host: '0000:3b:00.1' },
            { host: '0000:3b:00.2', backend: 'iommufd' },
          ],
        },
      },
    ],
    ['devices without ids', { vm: { vfio: [{ host: '0000:af:00.0' }] } }, { vm: { vfio: [{ host: '0000:af:00.0' }] } }],
    ['no devices', { vm: { vfio: [] } }, { vm: { vfio: [] } }],
    [
      'another device by id',
      { vm: { otherDevices: [{ id: 'disk0', properties: { zoned: true } }] } },
      { vm: { otherDevices: [{ type: 'nvme', id: 'disk0', properties: { serial: 'a', zoned: true } }] } },
    ],
    [
      'a disk by its node',
      { vm: { disks: [{ node: 'libvirt-1', format: 'qcow2' }] } },
      { vm: { disks: [{ node: 'libvirt-1', format: 'qcow2' }] } },
    ],
    [
      'a list without names',
      { vm: { memoryBackends: [{ size: '4GiB' }] } },
      { vm: { memoryBackends: [{ size: '4GiB' }] } },
    ],
  ])('%s', (_what, upper, result) => {
    const { value, faults } = overlay(lower, upper);
    const expected =
      'vm' in result ? { ...lower, ...result, vm: { ...lower.vm, ...(result.vm as object) } } : { ...lower, ...result };
    expect({ value, faults }).toEqual({ value: expected, faults: [] });
  });

  it.each<[what: string, upper: object, pointer: string, detail: string]>([
    [
      'an id that no device has',
      { vm: { vfio: [{ id: 'hostdve0' }] } },
      '/vm/vfio/0/id',
      'nothing imported is called "hostdve0"; the nearest is "hostdev0"',
    ],
    [
      'a device without an id among others',
      { vm: { vfio: [{ id: 'hostdev0' }, { backend: 'iommufd' }] } },
      '/vm/vfio/1',
      'has no "id", as others in this list have',
    ],
  ])('%s is a fault', (_what, upper, pointer, detail) => {
    expect(overlay(lower, upper).faults).toEqual([{ pointer, detail }]);
  });

  it('says where what was laid over stood, though its place in a list is another', () => {
    const { from } = overlay(lower, { vm: { vfio: [{ id: 'dev1', mappings: [] }], viommu: { model: 'virtio' } } });
    expect([...from]).toEqual([
      ['/vm/vfio/1/mappings', '/vm/vfio/0/mappings'],
      ['/vm/viommu/model', '/vm/viommu/model'],
    ]);
    expect(nearest(from, '/vm/vfio/1/mappings/3/iova')).toEqual({ found: '/vm/vfio/0/mappings', rest: '/3/iova' });
    expect(nearest(from, '/vm/vfio/0')).toBeNull();
  });

  it('wins everywhere, and changes nothing else', () => {
    fc.assert(
      fc.property(fc.object({ maxDepth: 3 }), fc.object({ maxDepth: 3 }), (below, above) => {
        const { value } = overlay(below, above);
        expect(overlay(value, above).value).toEqual(value);
        expect(overlay(below, {}).value).toEqual(below);
        expect(overlay({}, above).value).toEqual(above);
      }),
      { seed: 5, numRuns: 300 },
    );
  });
});
