import { all, allOf, is, not, type Truth } from '../descriptor/fact.ts';
import type { DeviceHere } from './rule.ts';

/**
 * Whether `capability`, which VFIO cannot serve, is set where the device's state is to be saved; a snapshot saves it
 * another way. Models `vfio_save_prepare` (hw/vfio/migration.c, QEMU 8.2 to 11.1).
 */
export const savesWith =
  (capability: string) =>
  ({ device, migration }: DeviceHere): Truth =>
    allOf(migration.has(capability), () => all(not(is(migration.mode, 'snapshot')), device.initialisesMigration));
