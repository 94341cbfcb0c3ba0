import { choose, map, no } from '../descriptor/fact.ts';
import { errors } from '../simulator/index.ts';
import { type Case, type DeviceHere, deviceRule } from './rule.ts';

/** An IOMMU starts to track whatever is mapped; of devices vfio-logging-ranges tells. */
const holds: Case<DeviceHere>['holds'] = ({ container }) =>
  container.mayBeEmpty
    ? no
    : choose(container.tracker, (who) =>
        who === 'type1' ? map(container.trackingStart, (start) => start?.failure !== undefined) : no,
      );

export const vfioTrackingStart = deviceRule({
  id: 'vfio-tracking-start',
  title: 'Dirty tracking cannot start',
  why: 'Type1 keeps a bitmap of each mapping and takes none of 2^31 pages, so that one section of RAM or one DIMM of 8 TiB keeps tracking from starting, and the migration fails as it begins; QEMU’s own limit looks at boot RAM only.',
  layer: 'kernel',
  behaviour: 'trackingStartFailure',
  effect: 'migration-failure',
  fails: 'tracking-start',
  cases: {
    reported: { message: null, once: true, holds },
    'fails-migration': {
      message: 'vfio: Could not start dirty page tracking - Failed to set dirty tracking flag 0x1: {strerror}',
      parameters: () => ({ strerror: errors.EINVAL.text }),
      once: true,
      holds,
    },
  },
  wordings: [
    'vfio: Could not start dirty page tracking - Failed to prepare DMA logging: {strerror}',
    'vfio: Could not start dirty page tracking - IOMMU_HWPT_SET_DIRTY_TRACKING(hwpt_id {hwpt}) failed: {strerror}',
  ],
  liftedBy: ['less-memory', 'iommufd', 'other-driver', 'other-destination', 'unplug-for-migration'],
  source: {
    confidence: 'confirmed',
    read: ['vfio_listener_log_global_start, 10.2.2', 'Linux 7.1.8 type1', '10.0.13 and 11.1.3 run'],
  },
});
