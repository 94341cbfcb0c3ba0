import { logRule } from './rule.ts';

export const vfioDeviceState = logRule({
  id: 'vfio-device-state',
  title: 'The device fails while its state is moved',
  why: 'The driver refused a change of state, or its state could not be read or written. What a running device does no descriptor tells in advance; if even the reset fails, QEMU aborts.',
  layer: 'device',
  effect: 'migration-failure',
  wordings: [
    '{device}: Failed setting device state to {state}. Recover state is ERROR. Resetting device',
    '{device}: Failed setting device state to {state}. Setting device in recover state {recover}: {strerror}',
    '{device}: Failed setting device state to {state}. Setting device in recover state {recover}',
    '{device}: Failed setting device in recover state, err: {strerror}. Resetting device',
    '{device}: Failed resetting device, err: {strerror}',
    '{device}: data_fd out of sync',
    '{device}: Failed to allocate migration data buffer',
    '{device}: save setup failed',
    'vfio: Failed to save device config space of {device} - {strerror}',
    '{device}: Failed to load device config space',
    '{device}: SETUP STATE: EOS not found {value}',
    '{device}: Unknown tag {value}',
  ],
  liftedBy: ['unplug-for-migration', 'other-driver'],
  source: { confidence: 'confirmed', read: ['hw/vfio/migration.c, 10.2.2', '11.1.3 run'] },
});
