import { intel48, testRule } from './rule-tester.ts';

const on = (firstStage1g: boolean | undefined, qemu = '11.1.3') => ({
  '/vm/viommu': { ...intel48, scalableMode: true, firstStage: true },
  '/vm/vfio/0/backend': 'iommufd',
  '/source/iommu/firstStage1g': firstStage1g,
  '/source/qemu': qemu,
});
const says = 'vfio 0000:3b:00.1: Failed to set vIOMMU: First stage 1GB large page is unsupported by host IOMMU';

testRule('viommu-first-stage-1g', {
  fires: [
    { name: '11.1, fs1gp on by default', given: on(false), effect: 'start-failure', says },
    { name: '11.0', given: on(false, '11.0'), effect: 'start-failure', says },
  ],
  clear: [
    { name: 'the host has them', given: on(true) },
    { name: 'the guest is offered none', given: { ...on(false), '/vm/viommu/firstStage1g': false } },
    { name: 'no first stage', given: { ...on(undefined), '/vm/viommu': intel48 } },
    { name: 'a VFIO container is refused before', given: { ...on(false), '/vm/vfio/0/backend': 'legacy' } },
    { name: '10.2 takes no device at all', given: on(false, '10.2.2') },
  ],
  unknown: [{ name: 'host unknown', given: on(undefined), lacks: ['/source/iommu/firstStage1g'] }],
});
