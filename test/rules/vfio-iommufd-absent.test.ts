import { testRule } from './rule-tester.ts';

const iommufd = { '/vm/vfio/0/backend': 'iommufd' };

testRule('vfio-iommufd-absent', {
  fires: [
    {
      name: '7.2',
      given: { ...iommufd, '/source/qemu': '7.2.22' },
      effect: 'start-failure',
      says: "Property 'vfio-pci.iommufd' not found",
    },
    {
      name: '8.2, an mdev',
      given: { ...iommufd, '/source/qemu': '8.2', '/vm/vfio/0/type': 'mdev' },
      effect: 'start-failure',
      says: "Property 'vfio-pci.iommufd' not found",
    },
  ],
  clear: [
    { name: '9.0', given: { ...iommufd, '/source/qemu': '9.0' } },
    { name: 'a VFIO container', given: { '/source/qemu': '7.2' } },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...iommufd, '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
