import { type Container, formContainers } from './container.ts';
import { choose, read, type Truth } from './fact.ts';
import { readSections } from './sections.ts';
import { type Device, readDevice } from './device.ts';
import { type Host, readHost, type Side } from './host.ts';
import type { Descriptor } from './schema.ts';
import { isX86, readVm, type VirtualMachine } from './vm.ts';

/** A descriptor as the QEMU of one host sees it: every fact read from where it stands, defaulted, derived or unknown. */
export interface Scenario {
  readonly side: Side;
  readonly host: Host;
  readonly vm: VirtualMachine;
  /** In the order in which QEMU realizes them. */
  readonly devices: readonly Device[];
  readonly containers: readonly Container[];
  /** Whether the guest may do this while migration runs. */
  readonly mayHappen: (event: GuestEvent) => Truth;
}

/** What a hazard may wait for. */
export const guestEvents = ['guest-unmap', 'domain-switch', 'reset', 'hotplug', 'dirty-rate'] as const;
export type GuestEvent = (typeof guestEvents)[number];

/** Reads `descriptor` for the host on `side`; a destination that is not given is like the source. */
export function resolve(descriptor: Descriptor, side: Side): Scenario {
  const hostDescriptor = side === 'source' ? descriptor.source : (descriptor.destination ?? descriptor.source);
  const host = readHost(side, hostDescriptor, isX86(descriptor));
  const vm = readVm(descriptor, host.qemuVersion);
  const devices = descriptor.vm.vfio.map((device, index) => readDevice(device, index, hostDescriptor, host, vm));
  const sections = () => choose(host.pageSize, (page) => readSections(descriptor, host.qemuVersion, page));
  return {
    side,
    host,
    vm,
    devices,
    containers: formContainers(devices, host, vm, sections),
    mayHappen: readGuestEvents(descriptor),
  };
}

/** Anything but hotplug, which is the operator's, may happen unless the descriptor says what may. */
function readGuestEvents({ migration }: Descriptor): Scenario['mayHappen'] {
  const pointer = '/migration/guestEvents';
  const events: readonly string[] | undefined = migration?.guestEvents;
  return (event) =>
    events === undefined
      ? read(pointer, event !== 'hotplug', 'default', 'a guest does as it likes')
      : read(pointer, events.includes(event === 'guest-unmap' ? 'unmap' : event), 'given');
}
