import { all, any, not, type Truth } from '../descriptor/fact.ts';
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
  once: true,
  cases: {
    single: {
      message: 'Migration is currently not supported with multiple VFIO devices',
      holds: (here) => all(here.device.initialisesMigration, isNotTheFirst(here)),
    },
    p2p: {
      message: 'Multiple VFIO devices migration is supported only if all of them support P2P migration',
      holds: (here) => all(here.device.initialisesMigration, isNotTheFirst(here), lacksP2p(here)),
    },
  },
  liftedBy: ['other-driver', 'fewer-devices', 'other-destination', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['8.0', '5c7a4b60350e, 8.2', '10.2.2', '11.1.3 run'] },
});

const isNotTheFirst = ({ device, realized }: DeviceHere): Truth =>
  any(...realized.filter((each) => each !== device).map((each) => each.initialisesMigration));

const lacksP2p = ({ realized }: DeviceHere): Truth =>
  any(...realized.map((each) => all(each.initialisesMigration, not(each.p2p))));
