/**
 * The simulator core: what QEMU and the kernel do to a VFIO device's DMA mappings. Pure, exact for any 64-bit value,
 * without dependency, I/O or clock. Addresses and sizes are `bigint`, in bytes.
 */

// A run: a machine, what happens to it, what that comes to.
export type { Attachment, GuestEvent } from './events.ts';
export { type FailedStep, type Figures, figuresOf, type UnmapFigures } from './figures.ts';
export { type Strategy, type SwitchCost, switchCost, switchDomain, type Trace } from './domain-switch.ts';
export type {
  AmdIommu,
  Domain,
  IntelIommu,
  Machine,
  MemorySection,
  Smmuv3,
  Viommu,
  VirtioIommu,
} from './machine.ts';
export { react, type Simulation, type SimulatedMachine, simulate } from './simulate.ts';
export { leftMapped, seesMemory, type State, stateIn } from './state.ts';
export type {
  QueryStep,
  RefusedStep,
  SectionStep,
  Step,
  TrackingStartStep,
  TrackingStopStep,
} from './steps.ts';

// What separates one QEMU, and one kernel, from another.
export {
  type BehaviourName,
  type Behaviours,
  behaviourValues,
  type SimulatorBehaviours,
  type UnmapBehaviours,
} from './behaviours.ts';
export type { KernelAbilities } from './container/kernel-abilities.ts';

// Guest memory.
export { type ListenerSection, vfioRange } from './listener-section.ts';
export { refusedRanges } from './dirty-tracking.ts';
export { type LoggingRange, type LoggingRanges, loggingRanges } from './logging-ranges.ts';
export {
  type DeviceMemory,
  type MachineMemory,
  type PcLayout,
  type PcMemory,
  pcLayout,
  type RamLayout,
  type RamSection,
  type VirtLayout,
  virtLayout,
} from './ram-layout.ts';
export {
  type Dimm,
  type PcFirmware,
  pcSections,
  type VfioSection,
  type VfioSections,
  virtSections,
} from './vfio-sections.ts';

// vIOMMUs.
export { type DmaMap, type IovaSpan, IovaTree, type Perm } from './iova-tree.ts';
export { unmapWhole as unmapAmdWhole } from './viommu/amd.ts';
export { clearLeaves, type GuestTable, keep, mapLeaves } from './viommu/guest-table.ts';
export { INTEL_ADDRESS_WIDTHS, tracksUnmaps, unmapTracked, unmapWhole } from './viommu/intel.ts';
export type { Notifier, UnmapNotice } from './viommu/notifier.ts';
export {
  emptyPageTable,
  type PageTable,
  type PageWalkEvent,
  replay,
  syncRange,
  writeEntry,
} from './viommu/page-walk.ts';
export { INTERRUPT_WINDOW, intelNotifiers, notifiersOf } from './viommu/sections.ts';
export { isOnePiece, unmapDomain as unmapVirtioDomain } from './viommu/virtio.ts';

// Containers: QEMU's layer, then the kernel's two.
export { type HostContainer, type HostKernel, lockedBytes, mappingsOf, RECENT_KERNEL } from './container/host.ts';
export type { MapStep } from './container/map-step.ts';
export {
  type Container,
  planUnmap,
  type Tracker,
  type Tracking,
  type UnmapFailure,
  type UnmapPlan,
} from './container/unmap.ts';
export type { UnmapStep } from './container/unmap-step.ts';
export {
  allocHwpt,
  compatUnmapDma,
  getDirtyBitmap,
  type Hwpt,
  hwptFlag,
  type Ioas,
  ioasMap,
  ioasMapFlag,
  ioasUnmap,
  openIoas,
  setDirtyTracking,
  writeDma,
} from './container/iommufd.ts';
export { trackingBytes } from './container/tracking-memory.ts';
export {
  dirtyPages,
  dirtyPagesFlag,
  type MapDma,
  mapDma,
  openType1,
  type Type1Container,
  type UserBitmap,
  unmapDma,
  unmapFlag,
} from './container/type1.ts';

// Arithmetic.
export { bitmapBytes, bitmapPages, coverableBytes, TYPE1_BITMAP_MAX } from './dirty-bitmap.ts';
export { type Errno, errors } from './errno.ts';
export { firstOverlap, lastByte, type MappingRun, MappingRuns, totalBytes, totalMappings } from './mapping-runs.ts';
export { alignedPowerOfTwo, type IovaRange, powerOfTwoPieces } from './power-of-two.ts';
export { ADDRESS_MAX, ADDRESS_SPACE, highestBit, larger, lowestBit, smaller, wrap } from './uint64.ts';
