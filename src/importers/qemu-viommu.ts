import type { ViommuDescriptor } from '../descriptor/schema.ts';
import { given } from './imported.ts';
import type { CommandLine } from './qemu-command-line.ts';
import type { QemuDevice } from './qemu-device-list.ts';
import { choiceOf, integerOf, nameOf, ON_OFF_AUTO, switchOf, textOf } from './qemu-options.ts';

const MODELS: ReadonlyMap<string, ViommuDescriptor['model']> = new Map([
  ['intel-iommu', 'intel'],
  ['virtio-iommu-pci', 'virtio'],
  ['amd-iommu', 'amd'],
  ['arm-smmuv3', 'smmuv3'],
]);

/** Whether `device` is a vIOMMU. */
export const isViommu = ({ type }: QemuDevice): boolean => MODELS.has(type);

/**
 * Properties that are on or off, by the names that they have and had, and the field that each sets; each model has some
 * of them.
 */
const SWITCHES = [
  ['cachingMode', 'caching-mode'],
  ['scalableMode', 'scalable-mode', 'x-scalable-mode'],
  ['firstStage', 'fsts', 'x-flts'],
  ['firstStage1g', 'fs1gp'],
  ['snoopControl', 'snoop-control'],
  ['dmaDrain', 'dma-drain'],
  ['deviceIotlb', 'device-iotlb'],
  ['dmaTranslation', 'dma-translation'],
  ['svm', 'svm'],
  ['dmaRemap', 'dma-remap'],
  ['bootBypass', 'boot-bypass'],
  ['accel', 'accel'],
] as const;

/** Properties that are on, off, or QEMU's choice. */
const CHOICES = [
  ['eim', 'eim'],
  ['intremap', 'intremap'],
] as const;

/** Properties whose effect no descriptor tells. */
const UNREAD = ['ats', 'ril', 'ssidsize', 'oas', 'cmdqv', 'stage', 'pss', 'reserved-regions', 'xtsup'];

/** PASIDs of QEMUs in which they are on or off have as many bits as PCI allows. */
const PASID_BITS_MAX = 20;

/** The vIOMMU that `device` is. */
export function viommuOf(device: QemuDevice, { remarks }: CommandLine): ViommuDescriptor {
  const model = MODELS.get(device.type) ?? 'intel';
  const flags = SWITCHES.map(([field, ...names]) => {
    const name = names.find((each) => device.values.has(each));
    return [field, name === undefined ? undefined : switchOf(device, name, remarks)] as const;
  });
  const choices = CHOICES.map(([field, name]) => {
    const chosen = choiceOf(device, name, ON_OFF_AUTO, remarks);
    return [field, chosen === undefined || chosen === 'auto' ? undefined : chosen === 'on'] as const;
  });
  const hasPasids = switchOf(device, 'x-pasid-mode', remarks);
  for (const name of UNREAD) if (device.values.has(name)) remarks.unread(`${device.type} ${name}`);
  return given({
    model,
    addressWidth: integerOf(device, 'aw-bits', [1, 64], remarks),
    ...Object.fromEntries([...flags, ...choices]),
    pasidBits:
      integerOf(device, 'pasid-bits', [0, 64], remarks) ??
      (hasPasids === undefined ? undefined : hasPasids ? PASID_BITS_MAX : 0),
    pciId: nameOf(device, 'pci-id', remarks),
    granule: nameOf(device, 'granule', remarks),
  });
}

/** The root bus that an arm-smmuv3 translates for; the other models translate for all. */
export const primaryBusOf = (device: QemuDevice): string | undefined =>
  device.type === 'arm-smmuv3' ? textOf(device, 'primary-bus') : undefined;
