import { testRule } from './rule-tester.ts';

const controller = (qemu: string | undefined, properties: object, ...namespaces: string[]) => ({
  '/source/qemu': qemu,
  '/vm/otherDevices': [
    { type: 'nvme', id: 'nvme0', properties: { serial: 'a', ...properties } },
    ...namespaces.map((bus) => ({ type: 'nvme-ns', properties: { bus, drive: 'd' } })),
  ],
});
const says = 'only one NVMe namespace is supported for migration';

testRule('nvme-namespaces', {
  fires: [
    {
      name: 'two on its bus',
      given: controller('11.1', {}, 'nvme0', 'nvme0'),
      effect: 'migration-failure',
      says,
    },
    {
      name: 'its own and one more',
      given: controller('11.1', { drive: 'd' }, 'nvme0'),
      effect: 'migration-failure',
      says,
    },
  ],
  clear: [
    { name: 'its own', given: controller('11.1', { drive: 'd' }) },
    { name: 'one on its bus', given: controller('11.1', {}, 'nvme0') },
    { name: 'one on that of another', given: controller('11.1', { drive: 'd' }, 'nvme1') },
    {
      name: 'a disk on another bus of that name',
      given: {
        '/source/qemu': '11.1',
        '/vm/otherDevices': [
          { type: 'nvme', id: 'nvme0', properties: { drive: 'd' } },
          { type: 'scsi-hd', properties: { bus: 'nvme0', drive: 'e' } },
        ],
      },
    },
    { name: 'with SR-IOV it is refused before', given: controller('11.1', { sriov_max_vfs: 1 }, 'nvme0', 'nvme0') },
    { name: '10.2 migrates no controller', given: controller('10.2', {}, 'nvme0', 'nvme0') },
  ],
  unknown: [{ name: 'which QEMU', given: controller(undefined, {}, 'nvme0', 'nvme0'), lacks: ['/source/qemu'] }],
});
