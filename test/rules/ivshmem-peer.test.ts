import { testRule } from './rule-tester.ts';

const ivshmem = (type: string, properties?: object) => ({ '/vm/otherDevices': [{ type, properties }] });
const says = "Migration is disabled when using feature 'peer mode' in device 'ivshmem'";

testRule('ivshmem-peer', {
  fires: [
    { name: 'by default', given: ivshmem('ivshmem-plain'), effect: 'blocker', says },
    { name: 'off', given: ivshmem('ivshmem-plain', { master: false }), effect: 'blocker', says },
    { name: 'with a server', given: ivshmem('ivshmem-doorbell'), effect: 'blocker', says },
    {
      name: 'only-migratable',
      given: { ...ivshmem('ivshmem-plain'), '/vm/onlyMigratable': true },
      effect: 'start-failure',
      says: `disallowing migration blocker (--only-migratable) for: ${says}`,
    },
  ],
  clear: [
    { name: 'master', given: ivshmem('ivshmem-plain', { master: 'on' }) },
    { name: 'another device', given: ivshmem('pci-testdev') },
  ],
  unknown: 'a property is what it is given as, or off',
});
