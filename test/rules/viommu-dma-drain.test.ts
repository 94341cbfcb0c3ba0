import { intel48, testRule } from './rule-tester.ts';

const off = { '/vm/viommu': { ...intel48, scalableMode: true, dmaDrain: false } };
const says = 'Need to set dma_drain for scalable mode';

testRule('viommu-dma-drain', {
  fires: [
    { name: '10.2', given: off, effect: 'start-failure', says },
    { name: '7.2', given: { ...off, '/source/qemu': '7.2' }, effect: 'start-failure', says },
  ],
  clear: [
    { name: 'on by default', given: { '/vm/viommu': { ...intel48, scalableMode: true } } },
    { name: 'legacy mode', given: { '/vm/viommu': { ...intel48, dmaDrain: false } } },
    { name: '11.1 always drains', given: { ...off, '/source/qemu': '11.1.3' } },
  ],
  unknown: [{ name: 'QEMU unknown', given: { ...off, '/source/qemu': undefined }, lacks: ['/source/qemu'] }],
});
