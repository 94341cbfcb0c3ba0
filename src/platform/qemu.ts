import type { Behaviours } from '../simulator/index.ts';
import { isAtLeast, parseVersion, type Release, type Version } from './version.ts';

/** The release that first had each value of a behaviour; `null` for a patch that no release carried. */
type Since = { readonly [Name in keyof Behaviours]: { readonly [Value in Behaviours[Name]]: Release | null } };

/**
 * Which QEMU does what. Sources: QEMU 7.2, 10.0.2 and 10.2.2 as released, 11.1.3 as disassembled and run, the mailed
 * patches between them.
 */
export const qemuSince: Since = {
  protocol: { v1: '7.2', v2: '8.0' },
  viommuBlock: { never: '7.2', 'any-device': '8.0', 'each-device': '8.1', 'device-tracking': '11.0' },
  trackingDemand: { container: '7.2', none: '8.0', device: '8.1', 'device-or-iommu': '9.1' },
  multiDevice: { any: '7.2', single: '8.0', p2p: '8.2' },
  ramLimit: { none: '7.2', 'type1-bitmap': '11.0', 'legacy-over-8tib': null },
  initMessages: { generic: '7.2', 'by-cause': '8.1', 'init-failed': '11.1' },
  domainUnmap: { whole: '7.2', 'tracked-end-as-size': '11.0', tracked: null, 'tracked-while-migrating': null },
  enableMigration: { 'boolean-off': '7.2', 'on-off-auto': '8.1' },
  deviceTrackingProperty: { absent: '7.2', present: '9.1' },
  hwptTracking: { none: '7.2', 'per-hwpt': '9.1' },
  cachingModeCheck: { 'at-exit': '7.2', 'at-realize': '10.2' },
  addressWidthCheck: { none: '7.2', 'host-width': '9.1' },
  addressWidthMessage: { plain: '7.2', 'by-mode-flts': '10.0', 'by-mode-fsts': '11.1' },
  regionDelBitmap: { none: '7.2', 'ram-at-iova': '11.0', ram: '11.1' },
  iommufdUnmap: { absent: '7.2', plain: '9.0', 'query-first': '11.0' },
  unmapAll: { halves: '7.2', flag: '10.2' },
  loggingRanges: { none: '7.2', two: '8.0', three: '8.2', 'three-writable': '11.0' },
  trackingStartFailure: { printed: '7.2', reported: '8.0', 'fails-migration': '9.1' },
  bitmapGate: { 'saving-and-running': '7.2', 'devices-running': '8.0', 'tracking-started': '10.0' },
  saveConflicts: { unchecked: '7.2', refused: '8.2' },
  multifdTransfer: { absent: '7.2', present: '10.0' },
  // 9.0 or 9.1: the later, which promises less.
  cprModes: { none: '7.2', reboot: '9.1', transfer: '10.1' },
  // First seen in 10.0.2.
  ramfbMigrate: { absent: '7.2', present: '10.0' },
  // bc034e8a959c.
  atsProperty: { absent: '7.2', present: '11.1' },
  // `x-flts` is in 10.0.2 and 10.2.2 and in the mailed 11.0, `fsts` in 11.1.3; which of 11.0 and 11.1 renamed it is not known.
  firstStageDevices: { absent: '7.2', 'refused-flts': '10.0', 'iommufd-flts': '11.0', 'iommufd-fsts': '11.1' },
  // 366896da65ce: `x-pasid-mode` became `pasid-bits`.
  pasidProperty: { switch: '7.2', width: '11.1' },
  // 10483d61fd7e.
  hostPasidCheck: { none: '7.2', bits: '11.1' },
  // Still refused in 10.2.2; 11.1.3 does not have the message.
  pasidDeviceIotlb: { refused: '7.2', accepted: '11.1' },
  // Absent in 10.0.2, present in 11.1.3.
  svmProperty: { absent: '7.2', present: '11.1' },
  // Present in 10.2.2, absent in 11.1.3.
  dmaDrainProperty: { present: '7.2', absent: '11.1' },
  // 7.2.22 demands it, 10.0.2 does not.
  eimDemand: { 'kvm-split': '7.2', 'kvm-api': '10.0' },
  // 10.1 was not seen: 10.2 has the property.
  amdAssignment: { none: '7.2', 'dma-remap': '10.2' },
  // When created with an AMDVI-PCI device of its own: amdvi_sysbus_realize of 10.2.2, 11.1.3 run. 10.0.2 does not have
  // `pci-id`; 10.1 was not seen.
  amdMigration: { never: '7.2', 'with-pci-id': '10.2' },
  // As mailed for 11.0; 11.1.3 run.
  smmuAccel: { absent: '7.2', present: '11.0' },
  // Absent in 7.2.22, present in 10.0.2; machine types say 9.0.
  virtioAddressWidth: { absent: '7.2', present: '9.0' },
  // 7.2.22 has none until the guest enables them, 10.0.2 and 11.1.3 have all from the start.
  sriovFunctions: { 'on-enable': '7.2', 'at-realize': '10.0' },
  nvmeMigration: { never: '7.2', 'by-feature': '11.1' },
  tpmCrbChunks: { absent: '7.2', 'by-machine': '11.1' },
  virtioSharedMemory: { absent: '7.2', blocks: '11.1' },
};

/** The oldest and newest release that {@link qemuSince} was checked against. */
export const OLDEST_QEMU: Release = '7.2';
export const NEWEST_QEMU: Release = '11.1';

/** A release of each series that behaves unlike the one before it, ascending. */
export const qemuReleases: readonly Release[] = [
  ...new Set(Object.values(qemuSince).flatMap((since): (Release | null)[] => Object.values(since))),
]
  .filter((release) => release !== null)
  .toSorted((a, b) => (isAtLeast(parseVersion(a) as Version, b) ? 1 : -1));

/** The last value whose release `version` has reached. */
const latest = (since: Readonly<Record<string, Release | null>>, version: Version): string | undefined =>
  Object.entries(since).findLast(([, release]) => release !== null && isAtLeast(version, release))?.[0];

/** What the first QEMU of each series in {@link qemuReleases} does, ascending. */
const bySeries = qemuReleases.map((release) => {
  const version = parseVersion(release) as Version;
  const entries = Object.entries(qemuSince).map(([name, since]) => [name, latest(since, version)]);
  return { release, behaviours: Object.fromEntries(entries) as Behaviours };
});

/** What QEMU `version` does; `undefined` before {@link OLDEST_QEMU}. A later one than was studied does what the last did. */
export const qemuBehaviours = (version: Version): Behaviours | undefined =>
  bySeries.findLast(({ release }) => isAtLeast(version, release))?.behaviours;

/** Milliseconds for which a migration may stop the guest unless it is told otherwise (`downtime-limit`). */
export const DOWNTIME_LIMIT_MS = 300;
