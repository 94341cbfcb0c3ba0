import { all, is, isFalse, isTrue, no, type Truth } from '../descriptor/fact.ts';
import type { OtherDevice } from '../descriptor/other-device.ts';
import type { ViommuDescriptor } from '../descriptor/schema.ts';
import type { Viommu, VirtualMachine } from '../descriptor/vm.ts';
import type { DeviceHere } from './rule.ts';

type Model = ViommuDescriptor['model'];

/** What `holds` of the VM's vIOMMU, if it is of one of `models`; where nobody says whether it has one, that is what is lacking. */
export function ofViommu(
  { viommu, hasViommu }: VirtualMachine,
  models: readonly Model[],
  holds: (viommu: Viommu) => Truth,
): Truth {
  if (viommu === null) return hasViommu;
  if (!models.includes(viommu.model.value)) return is(viommu.model, ...models);
  const truth = holds(viommu);
  return isFalse(truth) ? truth : all(is(viommu.model, ...models), truth);
}

/** What `holds` of the vIOMMU that the device is behind, if it is of one of `models`. */
export function behindViommu(
  { device, vm }: DeviceHere,
  models: readonly Model[],
  holds: (viommu: Viommu) => Truth,
): Truth {
  if (vm.viommu === null) return vm.hasViommu;
  if (isFalse(device.behindViommu)) return device.behindViommu;
  const truth = ofViommu(vm, models, holds);
  return isFalse(truth) ? truth : all(device.behindViommu, truth);
}

/**
 * What `holds` of an intel-iommu with first-stage translation, where the device's tables are to be nested in the host's: QEMU
 * asks iommufd about the host IOMMU, and an mdev has none.
 */
export function nested(here: DeviceHere, holds: (viommu: Viommu) => Truth): Truth {
  const { device, vm } = here;
  if (device.type === 'mdev') return no;
  if (vm.viommu === null) return vm.hasViommu;
  if (isFalse(vm.viommu.firstStage)) return vm.viommu.firstStage;
  return behindViommu(here, ['intel'], (viommu) => {
    const isNested = all(viommu.firstStage, is(device.backend, 'iommufd'));
    return isTrue(isNested) ? all(isNested, holds(viommu)) : isNested;
  });
}

/** Whether KVM has the whole interrupt controller, which is what a machine has by default. */
export const irqchipIsInKernel = ({ accel, kernelIrqchip }: VirtualMachine): Truth =>
  all(is(accel, 'kvm'), is(kernelIrqchip, 'on', 'default'));

const VIOMMUS: readonly string[] = ['intel-iommu', 'amd-iommu', 'virtio-iommu-pci', 'arm-smmuv3'];

/** Whether the VM has a vIOMMU beside the one that it has. */
export const hasAnotherViommu = ({ viommu, hasViommu }: VirtualMachine, others: readonly OtherDevice[]): Truth => {
  const other = viommu === null ? undefined : others.find(({ type }) => VIOMMUS.includes(type));
  return other === undefined ? no : all(hasViommu, other.isThere);
};
