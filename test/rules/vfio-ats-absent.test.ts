import { testRule } from './rule-tester.ts';

const says = "Property 'vfio-pci.ats' not found";

testRule('vfio-ats-absent', {
  fires: [
    { name: 'on', given: { '/vm/vfio/0/ats': 'on' }, effect: 'start-failure', says },
    { name: 'off', given: { '/vm/vfio/0/ats': 'off', '/source/qemu': '11.0' }, effect: 'start-failure', says },
  ],
  clear: [
    { name: 'auto is what there was before', given: { '/vm/vfio/0/ats': 'auto' } },
    { name: 'not given', given: {} },
    { name: '11.1', given: { '/vm/vfio/0/ats': 'off', '/source/qemu': '11.1' } },
  ],
  unknown: [
    { name: 'QEMU unknown', given: { '/vm/vfio/0/ats': 'off', '/source/qemu': undefined }, lacks: ['/source/qemu'] },
  ],
});
