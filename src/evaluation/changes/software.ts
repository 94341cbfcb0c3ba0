import type { Descriptor, HostDescriptor, VfioDescriptor } from '../../descriptor/schema.ts';
import { kernelReleases } from '../../platform/kernel.ts';
import { parseMachineType } from '../../platform/machine.ts';
import { NEWEST_QEMU, qemuBehaviours } from '../../platform/qemu.ts';
import { isAtLeast, parseVersion, type Release, type Version } from '../../platform/version.ts';
import type { BehaviourName, Behaviours } from '../../simulator/index.ts';
import { type Concern, type Edit, edit, hostsOf, type Values } from './edit.ts';

/** What `host`'s QEMU does, where that is known. */
function behaviourOf<Name extends BehaviourName>(host: HostDescriptor, name: Name): Behaviours[Name] | undefined {
  const given = host.behaviours as Partial<Behaviours> | undefined;
  const version = versionOf(host.qemu);
  return given?.[name] ?? (version && qemuBehaviours(version)?.[name]);
}

const versionOf = (text: HostDescriptor['qemu']): Version | undefined =>
  (text === undefined ? null : parseVersion(text)) ?? undefined;

/** Off becomes auto, which takes what can be tracked, and auto on, which takes more; a boolean becomes on. */
export function enabled({ enableMigration }: VfioDescriptor, { source }: Descriptor): Values {
  const isBoolean = behaviourOf(source, 'enableMigration') === 'boolean-off';
  const value = enableMigration ?? 'auto';
  if (value === 'on') return null;
  return { enableMigration: value === 'auto' || isBoolean ? 'on' : 'auto' };
}

/** The newest QEMU that is known, without the patches of the one it replaces. */
export function newestQemu(host: HostDescriptor): Values {
  const version = versionOf(host.qemu);
  const isOld = version === undefined || !isAtLeast(version, NEWEST_QEMU);
  return { ...(isOld && { qemu: NEWEST_QEMU }), ...(host.behaviours && { behaviours: undefined }) };
}

/** The last Linux release that made a difference. */
const LAST_KERNEL = kernelReleases.at(-1) as Release;

/** The last of them, where a host has it not. */
export function newestKernel({ kernel }: HostDescriptor): Values {
  const version = versionOf(kernel);
  return version && isAtLeast(version, LAST_KERNEL) ? null : { kernel: LAST_KERNEL };
}

/** The newest machine type of this board that all hosts' QEMUs have. */
export function newestMachine({ descriptor }: Concern): Edit[] {
  const { machine = '' } = descriptor.vm;
  const type = parseMachineType(machine);
  const series = hostsOf(descriptor).map(({ qemu }) => seriesOf(versionOf(qemu)));
  if (!type || typeof type.version === 'string' || series.some((each) => each === undefined)) return [];
  const oldest = (series as Release[]).reduce((a, b) => (isAtLeast(parseVersion(a) as Version, b) ? b : a));
  if (isAtLeast(type.version, oldest)) return [];
  const to = machine.replace(/-[\d.]+$/, `-${oldest}`);
  return [edit('/vm/machine', to, { to })];
}

/** The series of `version`, no newer than the newest that is known. */
const seriesOf = (version: Version | undefined): Release | undefined =>
  version && (isAtLeast(version, NEWEST_QEMU) ? NEWEST_QEMU : `${version.major}.${version.minor}`);
