import type { Device } from '../descriptor/device.ts';
import { isKnownToBe } from '../descriptor/fact.ts';
import type { Host } from '../descriptor/host.ts';
import type { Scenario } from '../descriptor/scenario.ts';
import type { Descriptor } from '../descriptor/schema.ts';
import type { Viommu } from '../descriptor/vm.ts';

/** What no rule looks at, whatever the descriptor. */
const ALWAYS = [
  'CPU model compatibility',
  'storage',
  'network',
  'devices other than VFIO',
  'convergence',
  'guest unmaps, resets and memory hotplug while migration runs',
  'dirty pages that a domain switch loses (dirtyBytesLost): shown, not judged',
];

/** What no rule looked at, so that `allowed` does not promise more than was judged. */
export function outOfScope(
  { vm, migration = {} }: Descriptor,
  { devices, containers, vm: machine, host }: Scenario,
): string[] {
  const { mode, capabilities, parameters } = migration;
  const others = devices.filter(({ type }) => type !== 'vfio-pci' && type !== 'mdev').map(({ id, type }) => `device ${id} (${type})`);
  const model = machine.viommu?.model;
  const isTranslated = containers.some(({ addressSpace }) => addressSpace !== 'memory');
  const isOther = isTranslated && model?.known && model.value !== 'intel' && model.value !== 'amd';
  return [
    ...ALWAYS,
    ...others,
    ...backendNotes(devices, host),
    ...viommuNotes(devices, machine.viommu),
    ...(mode && mode !== 'normal' ? [`migration mode ${mode}: the blockers are those of mode normal`] : []),
    ...(capabilities || parameters ? ['capabilities and parameters of the migration'] : []),
    ...(vm.confidential && vm.confidential !== 'none' ? [`confidential computing (${vm.confidential})`] : []),
    ...(vm.runtime ? ['what the running VM was seen to do'] : []),
    ...(isOther ? [`what ${model.value} vIOMMUs unmap when the guest switches domain`] : []),
  ];
}

/** Backends that QEMU would not start with. */
function backendNotes(devices: readonly Device[], { qemu }: Host): string[] {
  if (!isKnownToBe(qemu.iommufdUnmap, 'absent')) return [];
  const using = devices.filter(({ backend }) => isKnownToBe(backend, 'iommufd'));
  return using.map(({ id }) => `device ${id}: this QEMU has no iommufd backend`);
}

/** What QEMU demands of a vIOMMU that no rule asks for. */
function viommuNotes(devices: readonly Device[], viommu: Viommu | null): string[] {
  if (!viommu || !devices.some(({ behindViommu }) => isKnownToBe(behindViommu, true))) return [];
  const [isAmd, isSmmu] = [isKnownToBe(viommu.model, 'amd'), isKnownToBe(viommu.model, 'smmuv3')];
  return [
    ...(isAmd ? ['whether this amd-iommu takes VFIO devices and can itself be migrated'] : []),
    ...(isSmmu ? ['whether this arm-smmuv3 takes VFIO devices'] : []),
    ...(isKnownToBe(viommu.firstStage, true)
      ? ['whether this QEMU takes VFIO devices with first-stage translation']
      : []),
    ...(isKnownToBe(viommu.model, 'intel') &&
    isKnownToBe(viommu.cachingMode, false) &&
    devices.some(({ type }) => type === 'mdev')
      ? ['an mdev without caching mode, which QEMU gives up on once the guest turns translation on']
      : []),
  ];
}
