import { intel48, testRule } from './rule-tester.ts';

const behind = (qemu: string) => ({
  '/vm/viommu': { ...intel48, scalableMode: true, firstStage: true },
  '/vm/vfio/0/backend': 'iommufd',
  '/vm/vfio/0/address': { behindPciBridge: true },
  '/source/iommu/firstStage1g': true,
  '/source/qemu': qemu,
});
const says = (property: string): string =>
  `vfio 0000:3b:00.1: Failed to set vIOMMU: Host device downstream to a PCI bridge is unsupported when ${property}=on`;

testRule('viommu-first-stage-bridge', {
  fires: [
    { name: '11.0', given: behind('11.0'), effect: 'start-failure', says: says('x-flts') },
    { name: '11.1', given: behind('11.1.3'), effect: 'start-failure', says: says('fsts') },
  ],
  clear: [
    { name: 'PCI Express', given: { ...behind('11.1.3'), '/vm/vfio/0/address': undefined } },
    { name: 'no first stage', given: { ...behind('11.1.3'), '/vm/viommu': intel48 } },
    { name: '10.2 takes no device at all', given: behind('10.2.2') },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...behind('11.0'), '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
