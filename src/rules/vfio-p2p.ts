import { all, allOf, any, is, isFalse, no, not, type Truth } from '../descriptor/fact.ts';
import { type DeviceHere, deviceRule, refusal } from './rule.ts';

export const vfioP2p = deviceRule({
  id: 'vfio-p2p',
  title: 'Several VFIO devices, not all of which support P2P',
  why: 'Devices that can write to each other must all be able to stop initiating DMA before any is stopped (P2P). Only devices whose migration was initialised count, in the order in which QEMU realizes them; QEMU first accepted one device only.',
  layer: 'device',
  behaviour: 'multiDevice',
  effect: refusal,
  cases: {
    single: {
      message: 'Migration is currently not supported with multiple VFIO devices',
      once: true,
      holds: (here) => all(isNotTheFirst(here), not(slipsThrough(here))),
    },
    p2p: {
      message: 'Multiple VFIO devices migration is supported only if all of them support P2P migration',
      once: true,
      holds: (here) => allOf(here.device.soFar.lacksP2p, () => isNotTheFirst(here)),
    },
  },
  liftedBy: ['unplug-for-migration', 'fewer-devices', 'other-driver', 'other-destination'],
  source: { confidence: 'confirmed', read: ['8.0', '5c7a4b60350e, 8.2', '10.2.2', '11.1.3 run'] },
});

/** Whether the device can migrate, and one before it. */
const isNotTheFirst = ({ device }: DeviceHere): Truth =>
  all(device.initialisesMigration, device.soFar.otherInitialisesMigration);

/** 8.1 has a bug, mended in 8.2: once the blocker is there, a device that is `on` is accepted. */
function slipsThrough({ device, devices }: DeviceHere): Truth {
  const isOn = is(device.enableMigration, 'on');
  if (isFalse(isOn)) return isOn;
  const earlier = devices.slice(0, devices.indexOf(device)).filter((each) => each.isPreparedForMigration);
  const isBlocked = earlier.map(({ soFar, initialisesMigration, enableMigration }) =>
    all(soFar.otherInitialisesMigration, initialisesMigration, is(enableMigration, 'auto')),
  );
  return all(isOn, isBlocked.length > 0 ? any(...isBlocked) : no);
}
