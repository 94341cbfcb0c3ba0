import { intel48, testRule } from './rule-tester.ts';

const pc = { '/vm/machine': 'pc-i440fx-10.0', '/vm/viommu': intel48 };

testRule('viommu-machine', {
  fires: [
    {
      name: 'intel-iommu on i440fx',
      given: pc,
      effect: 'start-failure',
      says: "Parameter 'driver' expects a dynamic sysbus device type for the machine",
    },
  ],
  clear: [
    { name: 'on q35', given: { ...pc, '/vm/machine': 'q35' } },
    { name: 'virtio-iommu is a PCI device', given: { ...pc, '/vm/viommu': { model: 'virtio' } } },
    { name: 'no vIOMMU', given: { ...pc, '/vm/viommu': null } },
  ],
  unknown: [{ name: 'machine unknown', given: { ...pc, '/vm/machine': undefined }, lacks: ['/vm/machine'] }],
});
