import { testRule } from './rule-tester.ts';

testRule('remote-proxy', {
  fires: [
    {
      name: 'x-pci-proxy-dev',
      given: { '/vm/otherDevices': [{ type: 'x-pci-proxy-dev' }] },
      effect: 'blocker',
      says: 'x-pci-proxy-dev does not support migration',
    },
  ],
  clear: [{ name: 'another device', given: { '/vm/otherDevices': [{ type: 'pci-testdev' }] } }],
  unknown: 'a device is there or not',
});
