import { testRule } from './rule-tester.ts';

const nvme = (qemu: string | undefined, properties: object) => ({
  '/source/qemu': qemu,
  '/vm/otherDevices': [{ type: 'nvme', properties }],
});

testRule('nvme-features', {
  fires: [
    {
      name: '11.1, SR-IOV',
      given: nvme('11.1.3', { serial: 'a', sriov_max_vfs: 2 }),
      effect: 'blocker',
      says: 'Migration is not supported for SR-IOV',
    },
  ],
  clear: [
    { name: '11.1, a plain controller', given: nvme('11.1.3', { serial: 'a' }) },
    { name: '11.1, no virtual functions', given: nvme('11.1.3', { sriov_max_vfs: 0 }) },
    { name: '10.2 migrates no controller', given: nvme('10.2', { sriov_max_vfs: 2 }) },
    {
      name: 'another device with SR-IOV',
      given: { '/source/qemu': '11.1.3', '/vm/otherDevices': [{ type: 'igb' }] },
    },
  ],
  unknown: [{ name: 'which QEMU', given: nvme(undefined, { sriov_max_vfs: 1 }), lacks: ['/source/qemu'] }],
});
