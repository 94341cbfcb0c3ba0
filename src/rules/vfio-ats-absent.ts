import { guestAts } from '../descriptor/device.ts';
import { is } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioAtsAbsent = deviceRule({
  id: 'vfio-ats-absent',
  title: 'This QEMU cannot be told whether to show ATS',
  why: 'Whether the guest sees the device’s ATS capability became a property late. A device that has it set is refused as the property is set.',
  layer: 'qemu',
  behaviour: 'atsProperty',
  effect: 'start-failure',
  cases: {
    absent: {
      message: "Property 'vfio-pci.ats' not found",
      beforeRealize: true,
      holds: ({ device }) => is(guestAts(device), 'on', 'off'),
    },
  },
  liftedBy: ['ats-auto', 'other-qemu', 'other-destination'],
  source: { confidence: 'confirmed', read: ['properties of 7.2.22, 10.0.2 and 11.1.3'] },
});
