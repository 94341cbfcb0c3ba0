import { describe, expect, it } from 'vitest';
import { parseHostProfiles, withProfile } from '../../src/http/host-profiles.ts';

const yaml = `# Hosts of the site.
hosts:
  rack7-gen10:
    qemu: 10.2.2
    kernel: "6.12"
    iommu: { vendor: intel, addressWidth: 48 }
    devices:
      hostdev1: { driver: vfio-pci }
      "0000:3b:00.1": { driver: mlx5_vfio_pci, p2p: true }
      "*": { driver: xe_vfio_pci }
  rack8: {}
`;

describe('a file of host profiles', () => {
  it.each([
    ['YAML', yaml],
    ['JSON', JSON.stringify({ hosts: { 'rack7-gen10': { qemu: '10.2.2' }, rack8: {} } })],
  ])('may be %s', (_format, text) => {
    const profiles = parseHostProfiles(text);
    expect([...profiles.keys()]).toEqual(['rack7-gen10', 'rack8']);
    expect(profiles.get('rack7-gen10')).toMatchObject({ qemu: '10.2.2' });
  });

  it.each([
    ['no mapping', 'a', 'line 1: must be object'],
    ['nothing', '', 'line 1: no value'],
    ['no hosts', 'host: {}', 'line 1: /host: no such member; the nearest known is "hosts"'],
    ['a member that does not exist', yaml.replace('qemu', 'qmu'), 'line 4: /hosts/rack7-gen10/qmu: no such member'],
    [
      'a version that YAML takes for a number',
      yaml.replace('"6.12"', '6.12'),
      'line 5: /hosts/rack7-gen10/kernel: must be a version such as "10.2.2" or "1:11.1.3+ds-1"',
    ],
    [
      'a version that is none',
      yaml.replace('10.2.2', 'newest'),
      'line 4: /hosts/rack7-gen10/qemu: no version in "newest"',
    ],
    [
      'a fault of a device',
      yaml.replace('p2p: true', 'p2p: maybe'),
      'line 9: /hosts/rack7-gen10/devices/0000:3b:00.1/p2p: must be boolean',
    ],
    [
      'a profile of a profile',
      yaml.replace('{}', '{ profile: rack7-gen10 }'),
      'line 11: /hosts/rack8/profile: a profile rests on no other',
    ],
    ['two of one name', `${yaml}  rack8: {}\n`, 'line 12: the key "rack8" stands twice'],
    ['no YAML', 'hosts: [', 'line 1: not well-formed YAML'],
  ])('with %s is refused with the line', (_what, text, words) => {
    expect(() => parseHostProfiles(text)).toThrow(words);
  });

  it('names every line that is wrong', () => {
    const text = yaml.replace('10.2.2', 'newest').replace('intel, addressWidth: 48', 'intel, addressWidth: 480');
    expect(() => parseHostProfiles(text)).toThrow(/line 6: .*addressWidth/);
  });
});

describe('facts of a host over its profile', () => {
  const profile = parseHostProfiles(yaml).get('rack7-gen10');
  if (!profile) throw new Error('there is no such profile');

  it('win, member by member; the rest is the site’s', () => {
    const own = { kernel: '7.1', iommu: { addressWidth: 39 }, pageSize: '64KiB' };
    const { host, site } = withProfile(own, profile, '/source', []);
    expect(host).toEqual({
      kernel: '7.1',
      iommu: { addressWidth: 39, vendor: 'intel' },
      pageSize: '64KiB',
      qemu: '10.2.2',
    });
    expect(site).toEqual(['/source/qemu', '/source/iommu/vendor']);
  });

  it.each([
    ['its id', { id: 'hostdev1', host: '0000:3b:00.1' }, 'hostdev1', { driver: 'vfio-pci' }],
    ['its address on the host', { id: 'a', host: '0000:3b:00.1' }, 'a', { driver: 'mlx5_vfio_pci', p2p: true }],
    ['as any other', { host: '0000:3b:00.7' }, 'dev0', { driver: 'xe_vfio_pci' }],
  ])('a device is known by %s', (_by, device, id, facts) => {
    const { host, site } = withProfile({}, profile, '/destination', [device]);
    expect(host).toMatchObject({ devices: { [id]: facts } });
    expect(site).toContain(`/destination/devices/${id}/driver`);
  });

  it('devices that the VM does not have are left out', () => {
    expect(withProfile({}, profile, '/source', []).host).not.toHaveProperty('devices');
  });
});
