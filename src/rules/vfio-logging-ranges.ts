import type { Device } from '../descriptor/device.ts';
import { choose, map, no, type Truth } from '../descriptor/fact.ts';
import { errors, refusedRanges } from '../simulator/index.ts';
import { type Case, type DeviceHere, deviceRule } from './rule.ts';

/** Firmware limits what a device can log; where nothing is known of it, nothing is taken to. QEMU ends at the first that refuses. */
const holds = ({ device, container }: DeviceHere): Truth =>
  device.abilities?.dmaLoggingAddressSpace === undefined || container.mayBeEmpty
    ? no
    : choose(container.tracker, (who) =>
        who === 'device'
          ? map(container.trackingStart, (start) => {
              const refuses = ({ loggingBits }: Device): boolean =>
                refusedRanges(start?.ranges ?? [], loggingBits) !== undefined;
              return container.devices.find(refuses) === device;
            })
          : no,
      );

const parameters: Case<DeviceHere>['parameters'] = ({ container: { trackingStart } }) => {
  const errno = trackingStart.known ? trackingStart.value?.failure?.errno : undefined;
  return { strerror: errno && errors[errno].text };
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
