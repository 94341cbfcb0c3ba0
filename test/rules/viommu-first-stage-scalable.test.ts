import { intel48, testRule } from './rule-tester.ts';

const legacy = (qemu: string) => ({ '/vm/viommu': { ...intel48, firstStage: true }, '/source/qemu': qemu });
const effect = 'start-failure' as const;

testRule('viommu-first-stage-scalable', {
  fires: [
    { name: '10.0', given: legacy('10.0.2'), effect, says: 'x-flts is only available in scalable mode' },
    { name: '11.0', given: legacy('11.0'), effect, says: 'x-flts is only available in scalable mode' },
    { name: '11.1', given: legacy('11.1.3'), effect, says: 'fsts is only available in scalable mode' },
  ],
  clear: [
    { name: 'scalable', given: { ...legacy('11.1.3'), '/vm/viommu/scalableMode': true } },
    { name: 'no first stage', given: { '/vm/viommu': intel48, '/source/qemu': '11.1.3' } },
    { name: '9.2 has none, in other words', given: legacy('9.2') },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...legacy('10.0'), '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
