/**
 * The simulator core: what QEMU and the kernel do to a VFIO device's DMA mappings. Pure, exact for any 64-bit value,
 * without dependency, I/O or clock. Addresses and sizes are `bigint`, in bytes.
 */
export {
  type BehaviourName,
  type Behaviours,
  behaviourValues,
  type SimulatorBehaviours,
  type UnmapBehaviours,
} from './behaviours.ts';
export type { HostKernel } from './container/host.ts';
export type { KernelAbilities } from './container/kernel-abilities.ts';
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
export { bitmapBytes, bitmapPages, coverableBytes, TYPE1_BITMAP_MAX } from './dirty-bitmap.ts';
export { type Strategy, switchDomain, type Trace } from './domain-switch.ts';
export { type Errno, errors } from './errno.ts';
export type { Attachment, GuestEvent } from './events.ts';
export { type FailedStep, type Figures, figuresOf, type UnmapFigures } from './figures.ts';
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
export { type ListenerSection, vfioRange } from './listener-section.ts';
export { loggingRanges } from './logging-ranges.ts';
export { firstOverlap, lastByte, type MappingRun, MappingRuns, totalBytes, totalMappings } from './mapping-runs.ts';
export { alignedPowerOfTwo, type IovaRange, powerOfTwoPieces } from './power-of-two.ts';
export {
  type DeviceMemory,
  type MachineMemory,
  type PcMemory,
  pcLayout,
  type RamLayout,
  type RamSection,
  virtLayout,
} from './ram-layout.ts';
export { react, type Simulation, type SimulatedMachine, simulate } from './simulate.ts';
export { leftMapped, type State, stateIn } from './state.ts';
export type {
  QueryStep,
  RefusedStep,
  SectionStep,
  Step,
  TrackingStartStep,
  TrackingStopStep,
} from './steps.ts';
export { ADDRESS_MAX, larger } from './uint64.ts';
export { pcSections, type VfioSection, type VfioSections, virtSections } from './vfio-sections.ts';
export { type DmaMap, type IovaSpan, IovaTree } from './iova-tree.ts';
export { unmapWhole as unmapAmdWhole } from './viommu/amd.ts';
export { INTEL_ADDRESS_WIDTHS, unmapTracked, unmapWhole } from './viommu/intel.ts';
export { INTERRUPT_WINDOW, intelNotifiers } from './viommu/sections.ts';
export {
  emptyPageTable,
  type PageTable,
  type PageWalkEvent,
  replay,
  syncRange,
  writeEntry,
} from './viommu/page-walk.ts';
export { isOnePiece, unmapDomain as unmapVirtioDomain } from './viommu/virtio.ts';
export type { Notifier, UnmapNotice } from './viommu/notifier.ts';
