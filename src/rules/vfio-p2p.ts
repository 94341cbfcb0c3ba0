import type { Device } from '../descriptor/device.ts';
import { all, any, is, no, not, type Truth } from '../descriptor/fact.ts';
import { type DeviceHere, deviceRule, refusal } from './rule.ts';

/**
 * Devices that can write to each other must all be able to stop initiating DMA before any is stopped (P2P). Only devices
 * whose migration was initialised count, in the order in which QEMU realizes them; 8.0 and 8.1 accept one device only.
 */
export const vfioP2p = deviceRule({
  id: 'vfio-p2p',
  title: 'Several VFIO devices, not all of which support P2P',
  layer: 'device',
  behaviour: 'multiDevice',
  effect: refusal,
  cases: {
    single: {
      message: 'Migration is currently not supported with multiple VFIO devices',
      once: true,
      holds: (here) => all(isNotTheFirst(here.realized), not(slipsThrough(here))),
    },
    p2p: {
      message: 'Multiple VFIO devices migration is supported only if all of them support P2P migration',
      once: true,
      holds: ({ realized }) => all(isNotTheFirst(realized), any(...realized.map(lacksP2p))),
    },
  },
  liftedBy: ['other-driver', 'fewer-devices', 'other-destination', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['8.0', '5c7a4b60350e, 8.2', '10.2.2', '11.1.3 run'] },
});

/** Whether the last of `realized` can migrate, and one before it. */
const isNotTheFirst = (realized: readonly Device[]): Truth =>
  all(
    ...realized.slice(-1).map(({ initialisesMigration }) => initialisesMigration),
    any(...realized.slice(0, -1).map(({ initialisesMigration }) => initialisesMigration)),
  );

const lacksP2p = ({ initialisesMigration, p2p }: Device): Truth => all(initialisesMigration, not(p2p));

/** 8.1 has a bug, mended in 8.2: once the blocker is there, a device that is `on` is accepted. */
function slipsThrough({ device, realized }: DeviceHere): Truth {
  const isOn = is(device.enableMigration, 'on');
  if (isOn.known && !isOn.value) return isOn;
  let hasOne: Truth = no;
  let isBlocked: Truth = no;
  for (const { initialisesMigration, enableMigration } of realized.slice(0, -1)) {
    isBlocked = any(isBlocked, all(hasOne, initialisesMigration, is(enableMigration, 'auto')));
    hasOne = any(hasOne, initialisesMigration);
  }
  return all(isOn, isBlocked);
}
