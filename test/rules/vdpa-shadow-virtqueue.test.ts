import { testRule } from './rule-tester.ts';

const vdpa = (backend?: object, properties?: object) => ({
  '/vm/otherDevices': [{ type: 'virtio-net-pci', backend, properties: { 'netdev.type': 'vhost-vdpa', ...properties } }],
});

testRule('vdpa-shadow-virtqueue', {
  fires: [
    {
      name: 'features that a shadow virtqueue does not know',
      given: vdpa({ 'shadow-virtqueue': false }),
      effect: 'blocker',
      says: 'vdpa svq does not work with features 0x…',
    },
  ],
  clear: [
    { name: 'it knows them', given: vdpa({ 'shadow-virtqueue': true }) },
    { name: 'there is one from the start', given: vdpa({ 'shadow-virtqueue': false }, { 'netdev.x-svq': true }) },
    { name: 'a tap', given: vdpa({ 'shadow-virtqueue': false }, { 'netdev.type': 'tap' }) },
  ],
  unknown: [
    { name: 'not given', given: vdpa({ 'log-all': true }), lacks: ['/vm/otherDevices/0/backend/shadow-virtqueue'] },
  ],
});
