import { guestAts, hostAts } from '../descriptor/device.ts';
import { all, is, isFalse, not } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioAts = deviceRule({
  id: 'vfio-ats',
  title: 'ATS is asked for, and the host does not have it for the device',
  why: 'ats=on shows the guest the device’s ATS capability, so that the device must have one and the host’s kernel must let it be used. auto takes what there is.',
  layer: 'kernel',
  behaviour: 'atsProperty',
  effect: 'start-failure',
  cases: {
    present: {
      message: 'vfio-pci: ATS requested but not supported by kernel',
      holds: ({ device, host }) => {
        const isOn = is(guestAts(device), 'on');
        return isFalse(isOn) ? isOn : all(isOn, not(hostAts(device, host)));
      },
    },
  },
  wordings: ['vfio-pci: ats=on requested, but host device has no ATS extended capability'],
  liftedBy: ['ats-auto', 'other-destination'],
  source: { confidence: 'confirmed', read: ['bc034e8a959c, 11.1', '11.1.3 binary'] },
});
