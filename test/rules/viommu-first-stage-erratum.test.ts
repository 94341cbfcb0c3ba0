import { intel48, testRule } from './rule-tester.ts';

const on = (errata772415: boolean | undefined, qemu = '11.1.3') => ({
  '/vm/viommu': { ...intel48, scalableMode: true, firstStage: true },
  '/vm/vfio/0/backend': 'iommufd',
  '/source/iommu/firstStage1g': true,
  '/source/iommu/errata772415': errata772415,
  '/source/qemu': qemu,
});

testRule('viommu-first-stage-erratum', {
  fires: [
    { name: '11.1', given: on(true), effect: 'warning', says: null },
    { name: '11.0', given: on(true, '11.0'), effect: 'warning', says: null },
  ],
  clear: [
    { name: 'a host without it', given: on(false) },
    { name: 'no first stage: nothing is nested', given: { ...on(true), '/vm/viommu': intel48 } },
    { name: '10.2 takes no device at all', given: on(true, '10.2.2') },
  ],
  unknown: [{ name: 'host unknown', given: on(undefined), lacks: ['/source/iommu/errata772415'] }],
});
