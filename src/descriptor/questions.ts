import { kernelReleases } from '../platform/kernel.ts';
import { qemuReleases } from '../platform/qemu.ts';
import { behaviourValues, INTEL_ADDRESS_WIDTHS } from '../simulator/index.ts';
import { type Pointer, tokens } from './pointer.ts';

/** A fact that a descriptor may leave open. */
export interface Question {
  /** Every value that makes a difference, about from what is best for migration to what is worst; of behaviours, from the oldest to the newest. */
  readonly values: readonly unknown[];
  /** Where an operator finds the answer. */
  readonly obtain: string;
  /** What is taken for granted while it is missing, so that what is ruled out then may yet be so. */
  readonly granted?: string;
}

const truth = [true, false];
/** Of what is better false. */
const trouble = [false, true];
const vhostFeatures = 'QMP: x-query-virtio-status of the device, vhost-dev; or what the backend documents';
const vfioFeature = 'ioctl VFIO_DEVICE_FEATURE on the device';

/** By JSON Pointer; `*` stands for any one token. */
const questions: Readonly<Record<string, Question>> = {
  '/vm/viommu': {
    values: [
      null,
      { model: 'intel', addressWidth: 48, cachingMode: true },
      { model: 'virtio', addressWidth: 48 },
      { model: 'amd', dmaRemap: true },
    ],
    obtain: 'libvirt: the <iommu> element of the domain; QEMU: -device intel-iommu, virtio-iommu-pci or amd-iommu',
    granted: 'devices share one container, and see system memory',
  },
  '/vm/machine': {
    // Each board at its newest, and an old machine type.
    values: ['q35', 'pc', 'virt', 'pc-q35-7.2'],
    obtain: 'libvirt: <os><type machine=…>; QEMU: -machine',
    granted: 'a vIOMMU or host IOMMU that only x86 has is on x86',
  },
  '/vm/viommu/addressWidth': {
    values: INTEL_ADDRESS_WIDTHS,
    obtain: 'QMP: qom-get of the vIOMMU, property aw-bits; libvirt: <driver aw_bits=…> of <iommu>',
    granted: 'QEMU takes the width that it has by default',
  },
  '/vm/memoryBackends': {
    // Of what size they are does not matter here: they count as one.
    values: [[{ size: 0, share: true }], [{ size: 0, share: false }]],
    obtain:
      'libvirt: <memoryBacking><access mode="shared"/>; QEMU: share=on of the memory-backend object, or -machine aux-ram-share=on',
  },
  '/vm/runtime/suspended': { values: truth, obtain: 'QMP: query-status, status "suspended"' },
  '/vm/runtime/mounted9p': { values: trouble, obtain: 'in the guest: findmnt -t 9p' },
  '/vm/otherDevices/*/backend/log-all': {
    values: truth,
    obtain: `${vhostFeatures}, VHOST_F_LOG_ALL of VHOST_USER_GET_FEATURES or VHOST_GET_FEATURES`,
  },
  '/vm/otherDevices/*/backend/log-shmfd': {
    values: truth,
    obtain: `${vhostFeatures}, VHOST_USER_PROTOCOL_F_LOG_SHMFD of VHOST_USER_GET_PROTOCOL_FEATURES`,
  },
  '/vm/otherDevices/*/backend/shared-memory-regions': {
    values: truth,
    obtain: `${vhostFeatures}: whether it has VIRTIO Shared Memory Regions`,
  },
  '/vm/otherDevices/*/backend/shadow-virtqueue': {
    values: truth,
    obtain:
      'vdpa dev config show: whether a shadow virtqueue knows all features of the device; QEMU prints those it does not',
  },
  '/vm/otherDevices/*/backend/device-state': {
    values: truth,
    obtain: `${vhostFeatures}, VHOST_USER_PROTOCOL_F_DEVICE_STATE of VHOST_USER_GET_PROTOCOL_FEATURES`,
  },
  '/*/qemu': {
    values: qemuReleases.toReversed(),
    obtain: 'QMP: query-version of the QEMU process; or virsh version on the host',
  },
  '/*/kernel': {
    values: kernelReleases.toReversed(),
    obtain: 'uname -r on the host',
    granted: 'it has iommufd, and a type1 that tracks dirty pages',
  },
  '/*/pageSize': { values: ['4KiB', '16KiB', '64KiB'], obtain: 'getconf PAGESIZE on the host' },
  '/*/iommu/dirtyTracking': {
    values: truth,
    obtain: 'ioctl IOMMU_GET_HW_INFO on /dev/iommu, out_capabilities bit 0 (IOMMU_HW_CAP_DIRTY_TRACKING)',
  },
  '/*/iommu/addressWidth': {
    values: INTEL_ADDRESS_WIDTHS,
    obtain:
      'ioctl VFIO_IOMMU_GET_INFO, the last byte of the last IOVA range; the mgaw field of /sys/class/iommu/dmar0/intel-iommu/cap may be wider than what is used',
  },
  '/*/iommu/vendor': {
    values: ['intel', 'amd', 'arm'],
    obtain: 'ls /sys/class/iommu: dmar… is intel, ivhd… is amd, smmu3… is arm',
    granted: 'its kernel tracks dirty pages from when Intel’s and AMD’s does',
  },
  '/*/iommu/firstStage1g': {
    values: truth,
    obtain: '/sys/class/iommu/dmar0/intel-iommu/cap, bit 56 (FS1GP)',
  },
  '/*/iommu/pasidBits': {
    values: [0, 1, 20],
    obtain: 'the PSS field of /sys/class/iommu/dmar0/intel-iommu/ecap, plus 1; 0 where it has no PASID',
  },
  '/*/iommu/errata772415': {
    values: trouble,
    obtain: 'ioctl IOMMU_GET_HW_INFO on /dev/iommu, flag ERRATA_772415_SPR17',
  },
  '/*/devices/*/ats': {
    values: truth,
    obtain:
      'lspci -vv of the device: an "Address Translation Service" (ATS) capability; with ats=auto QEMU warns where the kernel rules it out',
  },
  '/*/devices/*/protocol': {
    values: ['v2', 'v1', 'none'],
    obtain: `${vfioFeature}, GET of VFIO_DEVICE_FEATURE_MIGRATION: ENOTTY means none; the driver: readlink /sys/bus/pci/devices/BDF/driver`,
  },
  '/*/devices/*/stopCopy': {
    values: truth,
    obtain: `${vfioFeature}, GET of VFIO_DEVICE_FEATURE_MIGRATION, flags bit 0`,
  },
  '/*/devices/*/p2p': { values: truth, obtain: `${vfioFeature}, GET of VFIO_DEVICE_FEATURE_MIGRATION, flags bit 1` },
  '/*/devices/*/dmaLogging': {
    values: truth,
    obtain: `${vfioFeature}, PROBE of VFIO_DEVICE_FEATURE_DMA_LOGGING_START`,
  },
  ...Object.fromEntries(
    Object.entries(behaviourValues).map(([name, values]) => [
      `/*/behaviours/${name}`,
      { values, obtain: 'the patches that the QEMU package carries' },
    ]),
  ),
};

const patterns = Object.entries(questions).map(([text, question]) => ({ text, pattern: tokens(text), question }));

/** By their last token, which few share. */
const byField = new Map(
  patterns.map(({ pattern }) => [pattern.at(-1), patterns.filter((each) => each.pattern.at(-1) === pattern.at(-1))]),
);

/** What {@link factAt} may answer. */
export const facts: readonly string[] = patterns.map(({ text }) => text);

/** The question that the value at `pointer` answers. */
export const questionAt = (pointer: Pointer): Question => patternAt(pointer).question;

/** What the fact at `pointer` is called whatever the VM: a pointer in which `*` stands for names and numbers. */
export const factAt = (pointer: Pointer): string => patternAt(pointer).text;

function patternAt(pointer: Pointer): (typeof patterns)[number] {
  const path = tokens(pointer);
  const found = byField
    .get(path.at(-1))
    ?.find(
      ({ pattern }) =>
        pattern.length === path.length && pattern.every((token, i) => token === '*' || token === path[i]),
    );
  if (!found) throw new Error(`a rule lacks ${pointer}, which no question asks for`);
  return found;
}
