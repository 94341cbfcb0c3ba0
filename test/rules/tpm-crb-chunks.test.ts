import { testRule } from './rule-tester.ts';

const crb = (qemu: string, machine: string | undefined) => ({
  '/vm/otherDevices': [{ type: 'tpm-crb' }],
  '/source/qemu': qemu,
  '/vm/machine': machine,
});
const says = 'The tpm-crb device does not support chunk migration with machine version less than 11.1';

testRule('tpm-crb-chunks', {
  fires: [
    { name: '11.1, an older machine', given: crb('11.1.3', 'pc-q35-10.2'), effect: 'blocker', says },
    { name: '11.1, the machine before', given: crb('11.1.3', 'pc-i440fx-11.0'), effect: 'blocker', says },
  ],
  clear: [
    { name: '11.1, its own machine', given: crb('11.1.3', 'pc-q35-11.1') },
    { name: '11.1, an alias', given: crb('11.1.3', 'q35') },
    { name: '10.2 knows no chunks', given: crb('10.2', 'pc-q35-9.2') },
    {
      name: 'tpm-tis',
      given: { ...crb('11.1.3', 'pc-q35-10.2'), '/vm/otherDevices': [{ type: 'tpm-tis' }] },
    },
  ],
  unknown: [
    { name: 'no machine', given: crb('11.1.3', undefined), lacks: ['/vm/machine'] },
    {
      name: 'a distribution’s machine',
      given: crb('11.1.3', 'pc-q35-rhel9.6.0'),
      lacks: ['/vm/machine'],
    },
  ],
});
