import { type Container, formContainers } from './container.ts';
import type { Bounds } from './bounds.ts';
import { type Convergence, readConvergence } from './convergence.ts';
import { type Device, readDevices } from './device.ts';
import { choose, type Fact } from './fact.ts';
import { type Host, readHost, type Side } from './host.ts';
import { lazy } from './lazy.ts';
import { type Migration, readMigration } from './migration.ts';
import { type Disk, type OtherDevice, readDisks, readOtherDevices } from './other-device.ts';
import type { Descriptor } from './schema.ts';
import { type Needs, readVmNeeds } from './needs.ts';
import { guestMemoryOf, readSections } from './sections.ts';
import { isX86, readVm, type VirtualMachine } from './vm.ts';

/** A descriptor as the QEMU of one host sees it: every fact read from where it stands, defaulted, derived or unknown. */
export interface Scenario {
  readonly side: Side;
  readonly host: Host;
  readonly vm: VirtualMachine;
  readonly migration: Migration;
  readonly disks: readonly Disk[];
  readonly others: readonly OtherDevice[];
  /** In the order in which QEMU realizes them. */
  readonly devices: readonly Device[];
  /** Those of the devices that are there while the VM is migrated. */
  readonly containers: readonly Container[];
  /** Those of the devices that are unplugged before: they are there while the VM runs. */
  readonly containersBefore: readonly Container[];
  /** What its containers need of the host together; `null` where QEMU takes one of the devices not. */
  readonly needs: () => Fact<Bounds<Needs> | null>;
  /** Whether a migration converges, as far as devices go; `null` where that is no question. */
  readonly convergence: () => Fact<Convergence | null>;
}

/** Reads `descriptor` for the host on `side`; a destination that is not given is like the source. */
export function resolve(descriptor: Descriptor, side: Side): Scenario {
  const hostDescriptor = side === 'source' ? descriptor.source : (descriptor.destination ?? descriptor.source);
  const host = readHost(side, hostDescriptor, isX86(descriptor));
  const vm = readVm(descriptor, host.qemuVersion);
  const devices = readDevices(host, vm);
  const sections = lazy(() => choose(host.pageSize, (page) => readSections(descriptor, host.qemuVersion, page)));
  const migration = readMigration(descriptor);
  const staying = devices.filter((device) => !isUnplugged(device));
  const containers = formContainers(staying, host, vm, sections);
  const containersBefore =
    staying.length === devices.length ? [] : formContainers(devices.filter(isUnplugged), host, vm, sections);
  return {
    side,
    host,
    vm,
    migration,
    disks: readDisks(descriptor.vm),
    others: readOtherDevices(descriptor.vm, host.qemu),
    devices,
    containers,
    containersBefore,
    needs: lazy(() => readVmNeeds([...containers, ...containersBefore])),
    convergence: lazy(() => readConvergence(containers, migration, guestMemoryOf(descriptor.vm))),
  };
}

const isUnplugged = ({ descriptor }: Device): boolean => descriptor.unpluggedForMigration === true;
