import type { Scenario } from '../descriptor/scenario.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import { isMigratableType } from '../rules/judge.ts';

/** What no rule looks at, whatever the descriptor. */
const ALWAYS = [
  'CPU model compatibility',
  'storage',
  'network',
  'devices other than VFIO',
  'convergence',
  'guest unmaps, resets and memory hotplug while migration runs',
];

/** What no rule looked at, so that `allowed` does not promise more than was judged. */
export function outOfScope(
  { vm, migration = {} }: Descriptor,
  { devices, containers, vm: machine }: Scenario,
): string[] {
  const { mode, capabilities, parameters } = migration;
  const others = devices.filter((device) => !isMigratableType(device)).map(({ id, type }) => `device ${id} (${type})`);
  const model = machine.viommu?.model;
  const isTranslated = containers.some(({ addressSpace }) => addressSpace !== 'memory');
  const isOther = isTranslated && model?.known && model.value !== 'intel' && model.value !== 'amd';
  return [
    ...ALWAYS,
    ...others,
    ...(mode && mode !== 'normal' ? [`migration mode ${mode}: the blockers are those of mode normal`] : []),
    ...(capabilities || parameters ? ['capabilities and parameters of the migration'] : []),
    ...(vm.confidential && vm.confidential !== 'none' ? [`confidential computing (${vm.confidential})`] : []),
    ...(vm.runtime ? ['what the running VM was seen to do'] : []),
    ...(isOther ? [`what ${model.value} vIOMMUs unmap when the guest switches domain`] : []),
  ];
}
