import { testRule } from './rule-tester.ts';

const on = { '/vm/vfio/0/ats': 'on', '/source/qemu': '11.1.3' };

testRule('vfio-ats', {
  fires: [
    {
      name: 'the host has none for the device',
      given: { ...on, '/source/devices/dev0/ats': false },
      effect: 'start-failure',
      says: 'vfio 0000:3b:00.1: vfio-pci: ATS requested but not supported by kernel',
    },
  ],
  clear: [
    { name: 'the host has it', given: { ...on, '/source/devices/dev0/ats': true } },
    { name: 'auto takes what there is', given: { ...on, '/vm/vfio/0/ats': 'auto', '/source/devices/dev0/ats': false } },
    { name: 'not asked for', given: { '/source/qemu': '11.1.3' } },
    { name: '11.0 has no such property, in other words', given: { ...on, '/source/qemu': '11.0' } },
  ],
  unknown: [{ name: 'host unknown', given: on, lacks: ['/source/devices/dev0/ats'] }],
});
