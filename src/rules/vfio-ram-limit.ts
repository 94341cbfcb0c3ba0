import { all, allOf, is, map, not, choose } from '../descriptor/fact.ts';
import { deviceRule, refusal } from './rule.ts';

/** 8 TiB: what the interim patch held RAM against, whatever the page size. */
const EIGHT_TIB = 1n << 43n;

export const vfioRamLimit = deviceRule({
  id: 'vfio-ram-limit',
  title: 'Guest RAM is larger than one type1 dirty bitmap covers',
  why: 'Without better tracking, unmapping guest RAM while migrating needs one dirty bitmap over all of it, and type1 takes none larger than 256 MiB. Only boot RAM is held against that: memory that is plugged in later slips through.',
  layer: 'qemu',
  behaviour: 'ramLimit',
  effect: refusal,
  cases: {
    'type1-bitmap': {
      message:
        '{device}: Migration is currently not supported with large memory VM due to dirty tracking limitation in backend',
      holds: ({ device, container, vm }) =>
        allOf(is(device.enableMigration, 'on'), () =>
          all(
            not(device.tracksDirtyPages),
            not(device.hwptTracksDirtyPages),
            container.tracksDirtyPages(device),
            choose(container.ramLimit, (limit) => map(vm.memory, (bytes) => bytes > limit)),
          ),
        ),
    },
    'legacy-over-8tib': {
      message: null,
      holds: ({ device, vm }) =>
        all(
          is(device.backend, 'legacy'),
          map(vm.memory, (bytes) => bytes > EIGHT_TIB),
        ),
    },
  },
  liftedBy: ['less-memory', 'iommufd', 'other-driver', 'other-destination', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['46c763311419 and e3c659fee0bc, 11.0', '11.1.3 binary and run'] },
});
