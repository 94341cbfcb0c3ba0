import { intel48, testRule } from './rule-tester.ts';

const nested = (qemu: string) => ({
  '/vm/viommu': { ...intel48, scalableMode: true, firstStage: true },
  '/source/qemu': qemu,
});
const effect = 'start-failure' as const;
const uncompatible = 'vfio 0000:3b:00.1: Failed to set vIOMMU: host device is uncompatible with stage-1 translation';

testRule('viommu-first-stage', {
  fires: [
    { name: '10.2, legacy', given: nested('10.2.2'), effect, says: uncompatible },
    {
      name: '10.2, iommufd',
      given: { ...nested('10.2.2'), '/vm/vfio/0/backend': 'iommufd' },
      effect,
      says: uncompatible,
    },
    {
      name: '11.0, legacy',
      given: nested('11.0'),
      effect,
      says: 'vfio 0000:3b:00.1: Failed to set vIOMMU: Need IOMMUFD backend when x-flts=on',
    },
    {
      name: '11.1, legacy',
      given: nested('11.1.3'),
      effect,
      says: 'vfio 0000:3b:00.1: Failed to set vIOMMU: Need IOMMUFD backend when fsts=on',
    },
  ],
  clear: [
    { name: '11.1, iommufd', given: { ...nested('11.1.3'), '/vm/vfio/0/backend': 'iommufd' } },
    { name: '11.1, an mdev', given: { ...nested('11.1.3'), '/vm/vfio/0/type': 'mdev' } },
    { name: 'no first stage', given: { '/vm/viommu': intel48, '/source/qemu': '11.1.3' } },
    { name: 'the device bypasses the vIOMMU', given: { ...nested('11.1.3'), '/vm/defaultBusBypassIommu': true } },
    { name: '9.2 has no first stage, in other words', given: nested('9.2') },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...nested('11.0'), '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
