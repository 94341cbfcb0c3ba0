import { intel48, testRule } from './rule-tester.ts';

const behind = { '/vm/viommu': intel48 };
const says = '0000:3b:00.1: Migration is currently not supported with vIOMMU enabled';

testRule('vfio-viommu', {
  fires: [
    {
      name: '8.0 says it once for all',
      given: { ...behind, '/source/qemu': '8.0' },
      effect: 'blocker',
      says: 'Migration is currently not supported with vIOMMU enabled',
    },
    { name: '8.1 names the device', given: { ...behind, '/source/qemu': '8.1' }, effect: 'blocker', says },
    {
      name: '10.2, on',
      given: { ...behind, '/vm/vfio/0/enableMigration': 'on' },
      effect: 'start-failure',
      says: `vfio 0000:3b:00.1: ${says}`,
    },
    { name: 'any model', given: { '/vm/viommu': { model: 'virtio' } }, effect: 'blocker', says },
    { name: '11.1: the device tracks', given: { ...behind, '/source/qemu': '11.1.3' }, effect: 'blocker', says },
    {
      name: 'what the guest does with it does not matter',
      given: { ...behind, '/vm/vfio/0/guestDomain': 'identity', '/vm/viommu/dmaTranslation': false },
      effect: 'blocker',
      says,
    },
  ],
  clear: [
    { name: 'no vIOMMU', given: {} },
    { name: 'the bus bypasses it', given: { ...behind, '/vm/defaultBusBypassIommu': true } },
    { name: 'the device’s own bus does', given: { ...behind, '/vm/vfio/0/address': { bypassIommu: true } } },
    { name: '7.2 has no such rule', given: { ...behind, '/source/qemu': '7.2' } },
    {
      name: '11.1: the device does not track',
      given: { ...behind, '/source/qemu': '11.1.3', '/source/devices/dev0/dmaLogging': false },
    },
    {
      name: '11.1: the device is told not to track',
      given: { ...behind, '/source/qemu': '11.1.3', '/vm/vfio/0/deviceDirtyTracking': 'off' },
    },
    { name: 'a QEMU that is patched', given: { ...behind, '/source/behaviours': { viommuBlock: 'never' } } },
  ],
  unknown: [
    {
      name: '11.1: whether the device tracks',
      given: { ...behind, '/source/qemu': '11.1', '/source/devices/dev0/dmaLogging': undefined },
      lacks: ['/source/devices/dev0/dmaLogging'],
    },
    { name: 'the VM is not described whole', given: { '/closed': false }, lacks: ['/vm/viommu'] },
  ],
});
