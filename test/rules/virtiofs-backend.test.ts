import { testRule } from './rule-tester.ts';

const share = (backend: object, properties?: object, type: string = 'vhost-user-fs-pci') => ({
  '/vm/otherDevices': [{ type, backend: { 'log-all': true, 'log-shmfd': true, ...backend }, properties }],
});

testRule('virtiofs-backend', {
  fires: [
    {
      name: 'a backend that keeps its state',
      given: share({ 'device-state': false }, { tag: 'home' }),
      effect: 'migration-failure',
      says: 'Back-end of … device … (tag: "home") does not support migration through qemu',
    },
    {
      name: 'a share without a tag',
      given: share({ 'device-state': false }),
      effect: 'migration-failure',
      says: 'Back-end of … device … (tag: "<none>") does not support migration through qemu',
    },
    {
      name: 'by its name without a bus',
      given: share({ 'device-state': false }, { tag: 'home' }, 'vhost-user-fs'),
      effect: 'migration-failure',
      says: 'Back-end of … device … (tag: "home") does not support migration through qemu',
    },
  ],
  clear: [
    { name: 'one that hands it over', given: share({ 'device-state': true }) },
    { name: 'one that is moved by other means', given: share({ 'device-state': false }, { migration: 'external' }) },
  ],
  unknown: [{ name: 'not given', given: share({}), lacks: ['/vm/otherDevices/0/backend/device-state'] }],
});
