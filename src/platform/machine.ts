import { isAtLeast, parseVersion, type Release, type Version } from './version.ts';

/** A guest machine type, as far as defaults depend on it. */
export interface MachineType {
  readonly board: 'q35' | 'i440fx' | 'virt';
  /** An alias is the newest of the QEMU that runs it; what a distribution's own type took over its name does not tell. */
  readonly version: Version | 'newest' | 'unknown';
}

const BOARDS: ReadonlyMap<string, MachineType['board']> = new Map([
  ['q35', 'q35'],
  ['pc-q35', 'q35'],
  ['pc', 'i440fx'],
  ['pc-i440fx', 'i440fx'],
  ['virt', 'virt'],
]);

/** The VMs of a fleet are of a few types. */
const parsed = new Map<string, MachineType | undefined>();
const PARSED_MAX = 64;

/** The machine type called `name`, such as "pc-q35-9.2", "q35" or "pc-q35-rhel9.6.0"; `undefined` for another board. */
export function parseMachineType(name: string): MachineType | undefined {
  if (parsed.has(name)) return parsed.get(name);
  if (parsed.size >= PARSED_MAX) parsed.clear();
  const type = machineTypeOf(name);
  parsed.set(name, type);
  return type;
}

function machineTypeOf(name: string): MachineType | undefined {
  const { board, suffix } = /^(?<board>(?:pc-)?(?:q35|i440fx)|pc|virt)(?:-(?<suffix>.+))?$/.exec(name)?.groups ?? {};
  const known = board === undefined ? undefined : BOARDS.get(board);
  return known && { board: known, version: suffix === undefined ? 'newest' : versionOf(suffix) };
}

const versionOf = (suffix: string): Version | 'unknown' =>
  (/^\d+\.\d+(?:\.\d+)?$/.test(suffix) ? parseVersion(suffix) : null) ?? 'unknown';

/**
 * Bits of the IOVAs that a vIOMMU translates unless `aw-bits` says otherwise; `undefined` where no running QEMU was asked
 * or the model has no such property. Observed in QEMU 7.2.22, 10.0.2 and 11.1.3 for every machine type they have.
 */
export function defaultAddressWidth(
  model: 'intel' | 'virtio' | 'amd' | 'smmuv3',
  board: MachineType['board'],
  version: Version,
): number | undefined {
  if (model === 'intel') return board === 'virt' ? undefined : isAtLeast(version, '9.2') ? 48 : 39;
  if (model !== 'virtio') return undefined;
  if (!isAtLeast(version, '9.0')) return 64;
  return board === 'q35' ? 39 : board === 'virt' ? 48 : undefined;
}

/** The least and the most bits of IOVA that virtio-iommu can be told to take. */
export const VIRTIO_ADDRESS_WIDTHS = [32, 64] as const;

/** Bits of the widest PASID that PCI Express has. */
export const PASID_BITS_MAX = 20;

/** Default bytes of a PC's 64-bit PCI hole (`pci-hole64-size`). */
export const PCI_HOLE64 = { q35: 32n << 30n, i440fx: 2n << 30n };

/** Whether an AMD guest's RAM keeps out of the HyperTransport region: since machine version 7.1, and where that is unknown. */
export const avoidsAmdHole = (version: Version | 'unknown'): boolean =>
  version === 'unknown' || isAtLeast(version, '7.1');

/** The first machine types whose tpm-crb can move its state in chunks. */
export const TPM_CRB_CHUNKS: Release = '11.1';
