import { testRule } from './rule-tester.ts';

const reboot = { '/migration/mode': 'cpr-reboot', '/vm/runtime': { suspended: false } };
const says = 'VFIO device only supports cpr-reboot for runstate suspended';

testRule('vfio-cpr-reboot', {
  fires: [
    { name: 'the guest runs', given: reboot, effect: 'migration-failure', says },
    { name: '10.0', given: { ...reboot, '/source/qemu': '10.0.2' }, effect: 'migration-failure', says },
    {
      name: 'blockers of mode normal do not count',
      given: { ...reboot, '/source/devices/dev0/protocol': 'none' },
      effect: 'migration-failure',
      says,
    },
  ],
  clear: [
    { name: 'the guest is suspended', given: { ...reboot, '/vm/runtime': { suspended: true } } },
    { name: 'mode normal', given: { ...reboot, '/migration/mode': 'normal' } },
  ],
  unknown: [
    {
      name: 'not known whether it is suspended',
      given: { ...reboot, '/vm/runtime': undefined },
      lacks: ['/vm/runtime/suspended'],
    },
  ],
});
