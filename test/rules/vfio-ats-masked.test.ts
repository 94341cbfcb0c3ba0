import { testRule } from './rule-tester.ts';

const without = { '/source/devices/dev0/ats': false, '/source/qemu': '11.1.3' };

testRule('vfio-ats-masked', {
  fires: [
    {
      name: 'auto by default',
      given: without,
      effect: 'warning',
      says: 'warning: vfio-pci: host kernel reports ATS unsupported; ATS capability will be masked',
    },
  ],
  clear: [
    { name: 'the host has it', given: { ...without, '/source/devices/dev0/ats': true } },
    { name: 'off: hidden anyway', given: { ...without, '/vm/vfio/0/ats': 'off' } },
    { name: 'on: refused', given: { ...without, '/vm/vfio/0/ats': 'on' } },
    { name: '11.0 hides nothing', given: { ...without, '/source/qemu': '11.0' } },
    { name: 'nothing is known of it', given: { '/source/qemu': '11.1.3' } },
  ],
  unknown: 'a host that says nothing of it is not asked for the sake of a warning',
});
