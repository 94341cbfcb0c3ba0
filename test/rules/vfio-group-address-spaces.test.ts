import { intel48, testRule } from './rule-tester.ts';

const able = { protocol: 'v2', stopCopy: true, p2p: true, dmaLogging: true };
const two = (first: object, second: object) => ({
  '/vm/viommu': intel48,
  '/vm/vfio': [
    { id: 'd0', host: '0000:3b:00.0', group: 12, ...first },
    { id: 'd1', host: '0000:3b:00.1', group: 12, ...second },
  ],
  '/source/devices': { d0: able, d1: able },
});
const bypass = { address: { bypassIommu: true } };
const says = 'vfio 0000:3b:00.1: group 12 used in multiple address spaces';

testRule('vfio-group-address-spaces', {
  fires: [
    { name: 'both behind the vIOMMU', given: two({}, {}), effect: 'start-failure', says },
    { name: 'one behind it', given: two(bypass, {}), effect: 'start-failure', says },
    { name: 'the other behind it', given: two({}, bypass), effect: 'start-failure', says },
  ],
  clear: [
    { name: 'no vIOMMU: one address space', given: { ...two({}, {}), '/vm/viommu': null } },
    { name: 'both bypass it', given: two(bypass, bypass) },
    { name: 'another group', given: two({}, { group: 13 }) },
    { name: 'groups not given', given: two({ group: undefined }, { group: undefined }) },
    { name: 'iommufd knows no groups', given: two({ backend: 'iommufd' }, { backend: 'iommufd' }) },
    { name: 'one device', given: { '/vm/viommu': intel48, '/vm/vfio/0/group': 12 } },
  ],
  unknown: [
    {
      name: 'there may be a vIOMMU',
      given: { ...two({}, {}), '/vm/viommu': undefined, '/closed': false },
      lacks: ['/vm/viommu'],
    },
  ],
});
