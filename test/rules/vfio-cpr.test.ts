import { testRule } from './rule-tester.ts';

const transfer = {
  '/source/qemu': '10.2.2',
  '/source/kernel': '6.12',
  '/migration/mode': 'cpr-transfer',
  '/vm/memoryBackends': [{ size: '4GiB', share: true }],
};
const says = 'VFIO container does not support VFIO_UPDATE_VADDR';

testRule('vfio-cpr', {
  fires: [
    { name: 'an mdev in the container', given: { ...transfer, '/vm/vfio/0/type': 'mdev' }, effect: 'blocker', says },
    {
      name: 'an mdev beside a physical device',
      given: { ...transfer, '/vm/vfio': [{ id: 'dev0' }, { id: 'mdev0', type: 'mdev' }] },
      effect: 'blocker',
      says,
    },
    { name: 'a kernel before 5.12', given: { ...transfer, '/source/kernel': '5.10' }, effect: 'blocker', says },
    {
      name: 'type1 emulated by iommufd',
      given: { ...transfer, '/source/type1': { emulatedByIommufd: true } },
      effect: 'blocker',
      says,
    },
    {
      name: 'the container says so',
      given: { ...transfer, '/source/type1': { updateVaddr: false } },
      effect: 'blocker',
      says,
    },
  ],
  clear: [
    { name: 'a physical device', given: transfer },
    {
      name: 'an mdev, while kernels did that for one, too',
      given: { ...transfer, '/vm/vfio/0/type': 'mdev', '/source/kernel': '6.1' },
    },
    {
      name: 'an mdev in a container that says that it can',
      given: { ...transfer, '/vm/vfio/0/type': 'mdev', '/source/type1': { updateVaddr: true } },
    },
    { name: 'mode normal', given: { ...transfer, '/migration/mode': 'normal', '/vm/vfio/0/type': 'mdev' } },
    {
      name: 'iommufd has another way',
      given: { ...transfer, '/vm/vfio/0/backend': 'iommufd', '/source/kernel': '5.10' },
    },
    {
      name: 'before 10.1 there is no such mode',
      given: { ...transfer, '/source/qemu': '10.0.2', '/vm/vfio/0/type': 'mdev' },
    },
  ],
  unknown: [{ name: 'kernel unknown', given: { ...transfer, '/source/kernel': undefined }, lacks: ['/source/kernel'] }],
});
