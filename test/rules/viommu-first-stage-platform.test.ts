import { intel48, testRule } from './rule-tester.ts';

const on = (vendor: string | undefined, qemu = '11.1.3') => ({
  '/vm/viommu': { ...intel48, scalableMode: true, firstStage: true },
  '/vm/vfio/0/backend': 'iommufd',
  '/source/iommu/vendor': vendor,
  '/source/iommu/firstStage1g': true,
  '/source/qemu': qemu,
});
const says = 'vfio 0000:3b:00.1: Failed to set vIOMMU: Incompatible host platform IOMMU type …';

testRule('viommu-first-stage-platform', {
  fires: [
    { name: '11.1 on AMD', given: on('amd'), effect: 'start-failure', says },
    { name: '11.0 on AMD', given: on('amd', '11.0'), effect: 'start-failure', says },
  ],
  clear: [
    { name: 'on Intel', given: on('intel') },
    { name: 'an mdev is not asked', given: { ...on('amd'), '/vm/vfio/0/type': 'mdev' } },
    { name: 'a VFIO container is refused before', given: { ...on('amd'), '/vm/vfio/0/backend': 'legacy' } },
    { name: 'no first stage', given: { ...on('amd'), '/vm/viommu': intel48 } },
    { name: '10.2 takes no device at all', given: on('amd', '10.2.2') },
  ],
  unknown: [{ name: 'host unknown', given: on(undefined), lacks: ['/source/iommu/vendor'] }],
});
