/**
 * What separates one QEMU from another, as closed sets of values. The simulator and the rules are written in these
 * names only; which version has which value is `src/platform/qemu.ts`, and a host may override any of them because
 * distributions backport and patch.
 */
export const behaviourValues = {
  /** Migration protocol QEMU speaks with the VFIO driver. */
  protocol: ['v1', 'v2'],
  /** Which devices behind a vIOMMU make QEMU refuse migration. */
  viommuBlock: ['never', 'any-device', 'each-device', 'device-tracking'],
  /** Whose dirty tracking QEMU demands before it lets a device migrate. */
  trackingDemand: ['container', 'none', 'device', 'device-or-iommu'],
  /** When several migratable devices are accepted together. */
  multiDevice: ['any', 'single', 'p2p'],
  /** Whether guest RAM is held against what one dirty bitmap may cover. */
  ramLimit: ['none', 'type1-bitmap', 'legacy-over-8tib'],
  /** The words for a device whose migration support cannot be initialised. */
  initMessages: ['generic', 'by-cause', 'init-failed'],
  /** How intel-iommu takes a domain's mappings away. `tracked-end-as-size` is the merged loop, whose search takes the
   *  notifier's end for its size; `tracked` is the same with the search mended; `tracked-while-migrating` is the first
   *  mailed form, which tracks only while a migration runs. */
  domainUnmap: ['whole', 'tracked-end-as-size', 'tracked', 'tracked-while-migrating'],
  /** The device's property: a boolean that is off by default, or on/off/auto. */
  enableMigration: ['boolean-off', 'on-off-auto'],
  /** Whether `x-device-dirty-page-tracking` exists. */
  deviceTrackingProperty: ['absent', 'present'],
  /** Whether the IOMMU's own dirty tracking is used, on iommufd. */
  hwptTracking: ['none', 'per-hwpt'],
  /** When intel-iommu without caching mode refuses an assigned device. */
  cachingModeCheck: ['at-exit', 'at-realize'],
  /** Whether intel-iommu's address width is held against the host IOMMU's. */
  addressWidthCheck: ['none', 'host-width'],
  /** The words for an address width that intel-iommu does not have. */
  addressWidthMessage: ['plain', 'by-mode-flts', 'by-mode-fsts'],
  /** Whether taking a RAM section away reads its dirty bitmap, and which address the bits are credited to. */
  regionDelBitmap: ['none', 'ram-at-iova', 'ram'],
  /** How iommufd unmaps while dirty tracking is on. */
  iommufdUnmap: ['absent', 'plain', 'query-first'],
  /** How an unmap of the whole 64-bit space is issued. */
  unmapAll: ['halves', 'flag'],
  /** The ranges a device is told to log. */
  loggingRanges: ['none', 'two', 'three', 'three-writable'],
  /** What becomes of a failure to start dirty tracking. */
  trackingStartFailure: ['printed', 'reported', 'fails-migration'],
  /** When an unmap asks for dirty bits. */
  bitmapGate: ['saving-and-running', 'devices-running', 'tracking-started'],
  /** Whether VFIO refuses postcopy and background snapshots as `migrate` begins. */
  saveConflicts: ['unchecked', 'refused'],
  /** Whether a device's state can be sent over multifd channels. */
  multifdTransfer: ['absent', 'present'],
  /** The CPR modes that VFIO takes part in. Its own blockers hold in every mode before there is one, then in mode normal only. */
  cprModes: ['none', 'reboot', 'transfer'],
  /** Whether ramfb's state can be migrated on its own terms (`x-ramfb-migrate`). */
  ramfbMigrate: ['absent', 'present'],
  /** Whether vfio-pci has the property `ats`. */
  atsProperty: ['absent', 'present'],
  /** Which VFIO devices intel-iommu takes with first-stage translation, and what it calls that. */
  firstStageDevices: ['absent', 'refused-flts', 'iommufd-flts', 'iommufd-fsts'],
  /** How intel-iommu is told of PASIDs: by a switch, or by their width. */
  pasidProperty: ['switch', 'width'],
  /** Whether intel-iommu's PASID width is held against the host IOMMU's. */
  hostPasidCheck: ['none', 'bits'],
  /** Whether intel-iommu takes PASIDs together with a device IOTLB. */
  pasidDeviceIotlb: ['refused', 'accepted'],
  /** Whether intel-iommu has the property `svm`. */
  svmProperty: ['absent', 'present'],
  /** Whether intel-iommu's DMA draining can be turned off. */
  dmaDrainProperty: ['present', 'absent'],
  /** What intel-iommu's extended interrupt mode demands. */
  eimDemand: ['kvm-split', 'kvm-api'],
  /** Which VFIO devices amd-iommu takes. */
  amdAssignment: ['none', 'dma-remap'],
  /** When amd-iommu itself can be migrated. */
  amdMigration: ['never', 'with-pci-id'],
  /** Whether arm-smmuv3 has the property `accel`, by which it takes VFIO devices. */
  smmuAccel: ['absent', 'present'],
  /** Whether virtio-iommu has the property `aw-bits`. */
  virtioAddressWidth: ['absent', 'present'],
  /** When QEMU makes the virtual functions of an emulated device. */
  sriovFunctions: ['on-enable', 'at-realize'],
  /** Whether an emulated NVMe controller can be migrated at all. */
  nvmeMigration: ['never', 'by-feature'],
  /** Whether tpm-crb moves data in chunks, which older machine types do not have. */
  tpmCrbChunks: ['absent', 'by-machine'],
  /** Whether virtio devices have shared memory regions, which block migration. */
  virtioSharedMemory: ['absent', 'blocks'],
} as const satisfies Record<string, readonly string[]>;

export type BehaviourName = keyof typeof behaviourValues;

/** One QEMU: a value for every behaviour. */
export type Behaviours = { readonly [Name in BehaviourName]: (typeof behaviourValues)[Name][number] };

/** The behaviours that decide how mappings are taken away. */
export type UnmapBehaviours = Pick<Behaviours, 'domainUnmap' | 'bitmapGate' | 'iommufdUnmap' | 'regionDelBitmap'>;

/** What else the simulator reads; the defaults are those of 11.1. */
export type SimulatorBehaviours = UnmapBehaviours &
  Partial<Pick<Behaviours, 'unmapAll' | 'loggingRanges' | 'trackingStartFailure' | 'protocol'>>;
