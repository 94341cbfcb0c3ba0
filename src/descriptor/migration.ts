import { DOWNTIME_LIMIT_MS } from '../platform/qemu.ts';
import { type Fact, type Known, read, type Truth } from './fact.ts';
import { parseSize } from './quantities.ts';
import type { Descriptor } from './schema.ts';

type MigrationMode = 'normal' | 'cpr-reboot' | 'cpr-transfer' | 'cpr-exec' | 'snapshot';

/** What a hazard may wait for. */
export const guestEvents = ['guest-unmap', 'domain-switch', 'reset', 'hotplug', 'dirty-rate'] as const;
export type GuestEvent = (typeof guestEvents)[number];

/** How the VM is about to be migrated. */
export interface Migration {
  readonly mode: Known<MigrationMode>;
  /** Whether the capability of this QMP name is set. */
  readonly has: (capability: string) => Truth;
  /** Whether memory travels compressed over multifd channels. */
  readonly compressesMultifd: Truth;
  readonly sendsSwitchoverStart: Truth;
  readonly usesTls: Truth;
  /** Bytes a second that the migration gets; `null` where that is not given, or 0, which is no limit to QEMU. */
  readonly bandwidth: Fact<bigint | null>;
  /** Milliseconds for which the guest may be stopped at the end. */
  readonly downtimeLimitMs: Fact<number>;
  /** Whether the guest may do this while migration runs. */
  readonly mayHappen: (event: GuestEvent) => Truth;
}

const PLACE = '/migration';
const PARAMETERS = '/migration/parameters';

const byDefault = <T>(parent: string, field: string, value: T): Known<T> =>
  read(parent, field, value, 'default', 'QEMU');

const defaults = {
  mode: byDefault<MigrationMode>(PLACE, 'mode', 'normal'),
  capability: byDefault(PLACE, 'capabilities', false),
  multifdCompression: byDefault(PARAMETERS, 'multifdCompression', false),
  sendSwitchoverStart: byDefault(PARAMETERS, 'sendSwitchoverStart', true),
  tls: byDefault(PARAMETERS, 'tls', false),
  bandwidth: byDefault<bigint | null>(PARAMETERS, 'bandwidth', null),
  downtimeLimitMs: byDefault(PARAMETERS, 'downtimeLimitMs', DOWNTIME_LIMIT_MS),
  event: read(PLACE, 'guestEvents', true, 'default', 'a guest does as it likes'),
  hotplug: read(PLACE, 'guestEvents', false, 'default', 'hotplug is the operator’s'),
};

/** Reads how `descriptor` is to be migrated. What is not said is QEMU's default; a guest may do anything. */
export function readMigration({ migration = {} }: Descriptor): Migration {
  const { mode, capabilities, parameters = {}, guestEvents: events } = migration;
  return {
    mode: mode === undefined ? defaults.mode : read(PLACE, 'mode', mode, 'given'),
    has: (capability) =>
      capabilities === undefined
        ? defaults.capability
        : read(PLACE, 'capabilities', capabilities.includes(capability), 'given'),
    compressesMultifd:
      parameters.multifdCompression === undefined
        ? defaults.multifdCompression
        : read(PARAMETERS, 'multifdCompression', parameters.multifdCompression !== 'none', 'given'),
    sendsSwitchoverStart:
      parameters.sendSwitchoverStart === undefined
        ? defaults.sendSwitchoverStart
        : read(PARAMETERS, 'sendSwitchoverStart', parameters.sendSwitchoverStart, 'given'),
    bandwidth:
      parameters.bandwidth === undefined
        ? defaults.bandwidth
        : read(PARAMETERS, 'bandwidth', parseSize(parameters.bandwidth) || null, 'given'),
    downtimeLimitMs:
      parameters.downtimeLimitMs === undefined
        ? defaults.downtimeLimitMs
        : read(PARAMETERS, 'downtimeLimitMs', parameters.downtimeLimitMs, 'given'),
    usesTls: parameters.tls === undefined ? defaults.tls : read(PARAMETERS, 'tls', parameters.tls, 'given'),
    mayHappen: (event) => {
      if (events === undefined) return event === 'hotplug' ? defaults.hotplug : defaults.event;
      return read(PLACE, 'guestEvents', events.includes(event === 'guest-unmap' ? 'unmap' : event), 'given');
    },
  };
}
