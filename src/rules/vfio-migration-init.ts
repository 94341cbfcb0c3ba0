import { all, is, not } from '../descriptor/fact.ts';
import { errors } from '../simulator/index.ts';
import { type Case, type DeviceHere, deviceRule, refusal } from './rule.ts';

const holds: Case<DeviceHere>['holds'] = ({ device }) => all(is(device.protocol, 'v2'), not(device.stopCopy));

export const vfioMigrationInit = deviceRule({
  id: 'vfio-migration-init',
  title: 'Migration of the device cannot be initialised',
  why: 'The driver speaks the protocol but cannot stop the device and copy its state, which is the least that a migration needs. Other failures of initialisation are errors of a running kernel, which no descriptor tells in advance.',
  layer: 'device',
  behaviour: 'initMessages',
  effect: refusal,
  atDestination: 'migration-failure',
  cases: {
    'by-cause': {
      message: "{device}: Migration couldn't be initialized for VFIO device, err: {errno} ({strerror})",
      parameters: () => ({ errno: `-${errors.EOPNOTSUPP.number}`, strerror: errors.EOPNOTSUPP.text }),
      holds,
    },
    'init-failed': {
      message: '{device}: VFIO migration init failed: VFIO_MIGRATION_STOP_COPY is not supported',
      holds,
    },
  },
  wordings: [
    '{device}: VFIO migration init failed: no vfio_get_object handler',
    '{device}: VFIO migration init failed: failed to get object',
    '{device}: VFIO migration init failed: failed to query migration flags: {strerror}',
    '{device}: VFIO migration init failed: failed to set precopy info v2: {strerror}',
  ],
  liftedBy: ['other-driver', 'other-destination', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['d4a2af747d5a, 8.1', '10.2.2', '11.1.3 binary'] },
});
