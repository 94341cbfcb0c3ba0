import type { Device } from '../descriptor/device.ts';
import { isKnownToBe } from '../descriptor/fact.ts';
import type { OtherDevice } from '../descriptor/other-device.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { Viommu } from '../descriptor/vm.ts';
import { isMigratableModel } from '../platform/device-model.ts';
import { rules } from '../rules/index.ts';

/** What no rule looks at, whatever the descriptor. */
const ALWAYS = ['CPU model compatibility', 'storage', 'network', 'how fast the guest itself writes to its memory'];

/** What no rule looked at, so that `allowed` does not promise more than was judged. */
export function outOfScope(
  { vm, migration = {} }: Descriptor,
  { devices, others: otherDevices, vm: machine }: Scenario,
): string[] {
  const { capabilities = [] } = migration;
  return [
    ...ALWAYS,
    ...viommuNotes(devices, machine.viommu),
    ...capabilities.filter((name) => !JUDGED_CAPABILITIES.has(name)).map((name) => `migration capability ${name}`),
    ...(vm.confidential === 'tdx' ? ['confidential computing (tdx)'] : []),
    ...otherDeviceNotes(otherDevices),
  ];
}

/** Capabilities that rules read. */
const JUDGED_CAPABILITIES: ReadonlySet<string> = new Set([
  'background-snapshot',
  'mapped-ram',
  'multifd',
  'postcopy-ram',
  'return-path',
  'switchover-ack',
  'x-colo',
]);

/** Device models of which nobody looked whether anything is against their migration, each once. */
function otherDeviceNotes(others: readonly OtherDevice[]): string[] {
  const types = new Set(others.map(({ type }) => type));
  const unknown = [...types].filter(
    (type) => !isMigratableModel(type) && !rules.some(({ isAbout }) => isAbout?.(type)),
  );
  return unknown.map((type) => `devices of model ${type}`);
}

/** What QEMU demands of a vIOMMU that no rule asks for. */
const viommuNotes = (devices: readonly Device[], viommu: Viommu | null): string[] =>
  viommu && isKnownToBe(viommu.model, 'smmuv3') && isKnownToBe(viommu.accel, true)
    ? devices
        .filter(({ type, behindViommu }) => type === 'mdev' && isKnownToBe(behindViommu, true))
        .map(({ id }) => `device ${id}: an mdev behind an accelerated arm-smmuv3`)
    : [];
