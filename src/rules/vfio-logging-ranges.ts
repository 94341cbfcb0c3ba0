import { choose, map, no, type Truth } from '../descriptor/fact.ts';
import { errors } from '../simulator/index.ts';
import { type Case, type DeviceHere, deviceRule } from './rule.ts';

/** Firmware limits what a device can log; where nothing is known of it, nothing is taken to. */
const holds = ({ device, container }: DeviceHere): Truth =>
  device.abilities?.dmaLoggingAddressSpace === undefined || container.mayBeEmpty || !isTightest({ device, container })
    ? no
    : choose(container.tracker, (who) =>
        who === 'device' ? map(container.trackingStart, (start) => start?.failure !== undefined) : no,
      );

/** Whether no other device of the container logs less: the one that fails is one of those. */
const isTightest = ({
  device: { loggingBits },
  container: { devices },
}: Pick<DeviceHere, 'device' | 'container'>): boolean =>
  devices.every((other) => other.loggingBits.max >= loggingBits.max) ||
  devices.every((other) => other.loggingBits.min <= loggingBits.min);

const parameters: Case<DeviceHere>['parameters'] = ({ container: { trackingStart } }) => {
  const errno = trackingStart.known ? trackingStart.value?.failure?.errno : undefined;
  return { strerror: errors[errno ?? 'EINVAL'].text };
};

export const vfioLoggingRanges = deviceRule({
  id: 'vfio-logging-ranges',
  title: 'The device cannot log all of guest memory',
  why: 'A device that logs its DMA is told up to three ranges that hold all of guest memory and its holes, and its firmware takes a limited number of address bits and ranges. The migration fails as it begins.',
  layer: 'device',
  behaviour: 'trackingStartFailure',
  effect: 'migration-failure',
  fails: 'tracking-start',
  cases: {
    reported: { message: null, once: true, holds },
    'fails-migration': {
      message: 'vfio: Could not start dirty page tracking - {device}: Failed to start DMA logging: {strerror}',
      parameters,
      once: true,
      holds,
    },
  },
  liftedBy: ['less-memory', 'device-dirty-tracking-off', 'other-driver', 'other-destination', 'unplug-for-migration'],
  source: {
    confidence: 'confirmed',
    read: ['vfio_listener_log_global_start, 10.2.2', 'mlx5vf_create_tracker, Linux 7.1.8', '11.1.3 run'],
  },
});
