import { guestAts, hostAts } from '../descriptor/device.ts';
import { all, is, no, not } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioAtsMasked = deviceRule({
  id: 'vfio-ats-masked',
  title: 'The guest does not see the device’s ATS',
  why: 'Where the host’s kernel rules ATS out for the device, QEMU hides the capability from the guest and says so. Nothing is refused.',
  layer: 'kernel',
  behaviour: 'atsProperty',
  effect: 'warning',
  cases: {
    present: {
      message: 'vfio-pci: host kernel reports ATS unsupported; ATS capability will be masked',
      // A host that says nothing of it is not asked: no more than a warning comes of it.
      holds: ({ device, host }) =>
        device.abilities?.ats === undefined ? no : all(is(guestAts(device), 'auto'), not(hostAts(device, host))),
    },
  },
  liftedBy: ['other-destination'],
  source: { confidence: 'confirmed', read: ['bc034e8a959c, 11.1', '11.1.3 binary'] },
});
