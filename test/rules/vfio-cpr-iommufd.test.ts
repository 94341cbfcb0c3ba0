import { testRule } from './rule-tester.ts';

const given = { '/migration/mode': 'cpr-transfer', '/vm/vfio/0/backend': 'iommufd', '/source/kernel': '6.12' };

testRule('vfio-cpr-iommufd', {
  fires: [
    {
      name: 'Linux 6.12',
      given,
      effect: 'blocker',
      says: 'vfio iommufd backend does not support IOMMU_IOAS_CHANGE_PROCESS',
    },
  ],
  clear: [
    { name: 'Linux 7.1', given: { ...given, '/source/kernel': '7.1.8' } },
    { name: 'type1', given: { ...given, '/vm/vfio/0/backend': 'legacy' } },
    { name: 'mode normal', given: { ...given, '/migration/mode': 'normal' } },
  ],
  unknown: [{ name: 'kernel unknown', given: { ...given, '/source/kernel': undefined }, lacks: ['/source/kernel'] }],
});
