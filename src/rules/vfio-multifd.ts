import { all, allOf, is, not } from '../descriptor/fact.ts';
import { deviceRule } from './rule.ts';

export const vfioMultifd = deviceRule({
  id: 'vfio-multifd',
  title: 'The device insists on multifd channels that this migration does not have',
  why: 'With x-migration-multifd-transfer=on the device sends its state over multifd channels or not at all. They must be there, uncompressed, not to a mapped-ram file, and with switchover announced; auto falls back to the main channel without a word.',
  layer: 'qemu',
  behaviour: 'multifdTransfer',
  effect: 'migration-failure',
  fails: 'tracking-start',
  cases: {
    present: {
      message: '{device}: Multifd device transfer requested but unsupported in the current config',
      once: true,
      holds: ({ device, migration }) =>
        allOf(is(device.multifdTransfer, 'on'), () =>
          all(
            device.initialisesMigration,
            not(
              all(
                migration.has('multifd'),
                not(migration.has('mapped-ram')),
                not(migration.compressesMultifd),
                migration.sendsSwitchoverStart,
              ),
            ),
          ),
        ),
    },
  },
  wordings: [
    '{device}: got DEV_CONFIG_STATE in main migration channel but doing multifd transfer',
    '{device}: got device state packet but not doing multifd transfer',
    '{device}: queuing state buffer {index} would exceed the size max of {bytes}',
    '{device}: got DEV_CONFIG_LOAD_READY outside multifd transfer',
    '{device}: got DEV_CONFIG_LOAD_READY but was disabled',
    '{device}: duplicate DEV_CONFIG_LOAD_READY',
    '{device}: packet too short at {bytes} (min is {least})',
    '{device}: packet has unknown version {version}',
    '{device}: state buffer {index} already filled',
  ],
  liftedBy: ['multifd-transfer-auto', 'unplug-for-migration'],
  source: { confidence: 'confirmed', read: ['vfio_multifd_setup, 10.0.2', '10.2.2', '11.1.3 binary'] },
});
