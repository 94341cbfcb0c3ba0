import { testRule } from './rule-tester.ts';

const noLogging = { '/source/devices/dev0/dmaLogging': false };
const iommufd = { '/vm/vfio/0/backend': 'iommufd' };
const tracking = { '/source/iommu/dirtyTracking': true };
const deviceOnly = "0000:3b:00.1: VFIO device doesn't support device dirty tracking";
const either = "0000:3b:00.1: VFIO device doesn't support device and IOMMU dirty tracking";

testRule('vfio-dirty-tracking', {
  fires: [
    {
      name: '8.1 asks the device alone',
      given: { ...noLogging, '/source/qemu': '8.1' },
      effect: 'blocker',
      says: deviceOnly,
    },
    { name: '10.2, auto', given: noLogging, effect: 'blocker', says: either },
    {
      name: '10.2, on, only warns',
      given: { ...noLogging, '/vm/vfio/0/enableMigration': 'on' },
      effect: 'warning',
      says: `warning: ${either}`,
    },
    {
      name: 'the device is told not to track',
      given: { '/vm/vfio/0/deviceDirtyTracking': 'off' },
      effect: 'blocker',
      says: either,
    },
    {
      name: 'an IOMMU that could track does not on type1',
      given: { ...noLogging, ...tracking },
      effect: 'blocker',
      says: either,
    },
    {
      name: 'nor for an mdev',
      given: { ...noLogging, ...tracking, ...iommufd, '/vm/vfio/0/type': 'mdev' },
      effect: 'blocker',
      says: either,
    },
    {
      name: 'nor before Linux 6.7',
      given: { ...noLogging, ...tracking, ...iommufd, '/source/kernel': '6.6' },
      effect: 'blocker',
      says: either,
    },
    {
      name: 'nor before QEMU 9.1',
      given: { ...noLogging, ...tracking, ...iommufd, '/source/qemu': '9.0' },
      effect: 'blocker',
      says: deviceOnly,
    },
    {
      name: 'plain drivers log nothing',
      given: { '/source/devices/dev0': { driver: 'qat_vfio_pci', protocol: 'v2', stopCopy: true } },
      effect: 'blocker',
      says: either,
    },
  ],
  clear: [
    { name: 'the device logs', given: {} },
    { name: 'the IOMMU tracks, on iommufd', given: { ...noLogging, ...tracking, ...iommufd } },
    {
      name: '9.0 has no switch to turn logging off',
      given: { '/source/qemu': '9.0', '/vm/vfio/0/deviceDirtyTracking': 'off' },
    },
    { name: '8.0 does not ask', given: { ...noLogging, '/source/qemu': '8.0' } },
  ],
  unknown: [
    {
      name: 'device unknown',
      given: { '/source/devices/dev0/dmaLogging': undefined },
      lacks: ['/source/devices/dev0/dmaLogging'],
    },
    {
      name: 'IOMMU unknown, on iommufd',
      given: { ...noLogging, ...iommufd, '/source/iommu/dirtyTracking': undefined },
      lacks: ['/source/iommu/dirtyTracking'],
    },
    {
      name: 'both unknown',
      given: { ...iommufd, '/source/iommu/dirtyTracking': undefined, '/source/devices/dev0/dmaLogging': undefined },
      lacks: ['/source/devices/dev0/dmaLogging', '/source/iommu/dirtyTracking'],
    },
  ],
});
