import { intel48, testRule } from './rule-tester.ts';

const on = { '/vm/viommu': { ...intel48, snoopControl: true } };

testRule('viommu-snoop-control', {
  fires: [
    {
      name: 'the guest may turn translation on',
      given: on,
      effect: 'migration-failure',
      says: 'Snoop Control with vhost or VFIO is not supported',
    },
  ],
  clear: [
    { name: 'off by default', given: { '/vm/viommu': intel48 } },
    { name: 'the device bypasses the vIOMMU', given: { ...on, '/vm/defaultBusBypassIommu': true } },
    { name: 'the guest is known not to', given: { ...on, '/migration/guestEvents': [] } },
    { name: 'another model', given: { '/vm/viommu': { model: 'virtio' } } },
  ],
  unknown: 'snoop control is off unless given, in every QEMU',
});
