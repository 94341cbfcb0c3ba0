import { is, not } from '../descriptor/fact.ts';
import { errors } from '../simulator/index.ts';
import { type Case, type DeviceHere, deviceRule, refusal } from './rule.ts';

const holds: Case<DeviceHere>['holds'] = ({ device }) => not(is(device.protocol, 'v2'));

export const vfioNoMigrationSupport = deviceRule({
  id: 'vfio-no-migration-support',
  title: 'The VFIO driver has no migration support',
  why: 'The host driver that the device is bound to has no migration interface (v2), so that there is no state to transfer. Plain vfio-pci never has one: it takes a variant driver, or an mdev, that knows the device.',
  layer: 'device',
  behaviour: 'initMessages',
  effect: refusal,
  atDestination: 'migration-failure',
  cases: {
    'by-cause': { message: '{device}: VFIO migration is not supported in kernel', holds },
    'init-failed': {
      message: '{device}: VFIO migration init failed: migration is not supported in kernel: {strerror}',
      parameters: () => ({ strerror: errors.ENOTTY.text }),
      holds,
    },
  },
  liftedBy: ['other-driver', 'other-destination', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['d4a2af747d5a, 8.1', '10.2.2', '92e184e09bbc, 11.1', '11.1.3 run'] },
});
