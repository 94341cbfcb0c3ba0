import { adopt, type HostContainer, mappingsOf, openHost } from './container/host.ts';
import type { Tracking } from './container/unmap.ts';
import { type Domain, type Machine, type MemorySection, mappingsOfSection, type Viommu } from './machine.ts';
import { lastByte, MappingRuns, type MappingRun } from './mapping-runs.ts';
import { type GuestTable, guestTable } from './viommu/guest-table.ts';
import { announce, mappingOf } from './viommu/notifier.ts';
import { notifiersOf } from './viommu/sections.ts';
import { pieces } from './viommu/virtio.ts';

/** One container while the guest acts: what the guest wrote, what QEMU remembers of it, what the kernel maps. */
export interface State {
  readonly machine: Machine;
  /** What the guest's IOMMU group is attached to. */
  domain: Domain;
  /** Whether the guest has turned translation on; a device behind a vIOMMU sees system memory until then. */
  translation: boolean;
  /** What the DMA domain maps, in the guest's memory (virtio-iommu: in QEMU's). */
  table: GuestTable;
  /** What the vIOMMU has announced: the IOVA tree. Not used by virtio-iommu. */
  readonly tree: MappingRuns;
  /** Whether VFIO sees system memory or the vIOMMU's regions. */
  view: 'memory' | 'viommu';
  sections: readonly MemorySection[];
  tracking: Tracking;
  /** Whether dirty tracking was started: a start may have failed. */
  started: boolean;
  readonly host: HostContainer;
}

/** A guest that is in `domain`, with everything mapped that VFIO maps for it. */
export function stateIn(machine: Machine, domain: Domain): State {
  const { viommu, tracking, sections, mappings } = machine;
  const host = openHost(machine.container);
  const inMemory = seesMemory(machine, domain, true);
  const dma = domain === 'dma' && !inMemory;
  const table = dma ? tableOf(viommu, mappings) : guestTable();
  const state: State = {
    machine,
    domain,
    translation: true,
    table,
    tree: new MappingRuns(dma && viommu.model !== 'virtio' ? table.leaves : []),
    view: inMemory ? 'memory' : 'viommu',
    sections,
    tracking,
    started: tracking !== 'off',
    host,
  };
  if (host.backend === 'legacy') host.type1.tracking = tracking !== 'off';
  else for (const hwpt of host.ioas.hwpts) hwpt.tracking = tracking !== 'off';
  if (inMemory) for (const section of sections) adopt(host, mappingsOfSection(section), section.vfioPci);
  else for (const run of currentMappings(state)) adopt(host, run);
  return state;
}

/**
 * What `mappings` are to a vIOMMU: leaves of a page table, or with virtio-iommu mappings of any size.
 *
 * @throws RangeError as {@link guestTable} does.
 */
export const tableOf = (
  { model }: Viommu,
  mappings: readonly MappingRun[],
  tables: readonly MappingRun[] = [],
): GuestTable =>
  model === 'virtio' ? { ...guestTable(), leaves: new MappingRuns(mappings) } : guestTable(mappings, tables);

/** Whether a device in `domain` is put on system memory instead of behind the vIOMMU. */
export function seesMemory({ viommu }: Pick<Machine, 'viommu'>, domain: Domain, translation: boolean): boolean {
  switch (viommu.model) {
    case 'none':
    case 'smmuv3':
      return true;
    case 'intel':
      return viommu.firstStage || !translation || domain === 'identity';
    case 'amd':
    case 'virtio':
      return !translation || domain === 'identity';
  }
}

/** What VFIO should have mapped as the guest stands, ascending. */
function* currentMappings({ view, sections, domain, machine, table }: State): Generator<MappingRun> {
  if (view === 'memory') for (const section of sections) yield mappingsOfSection(section);
  else if (domain === 'dma') {
    const isVirtio = machine.viommu.model === 'virtio';
    const notifiers = notifiersOf(machine.viommu).toReversed();
    for (const run of table.leaves) {
      if (isVirtio) yield* pieces(run);
      else for (const notifier of notifiers) for (const notice of announce(run, notifier)) yield mappingOf(notice);
    }
  }
}

/** What the host maps although the guest no longer does, or to other memory. */
export function leftMapped(state: State): readonly MappingRun[] {
  const left = new MappingRuns(mappingsOf(state.host));
  for (const run of currentMappings(state)) {
    for (const found of left.overlapping(run.iova, lastByte(run))) {
      if (isAsMapped(found, run)) left.take(found.iova, lastByte(found));
    }
  }
  return [...left];
}

const isAsMapped = (found: MappingRun, run: MappingRun): boolean =>
  found.size === run.size &&
  (found.iova - run.iova) % run.size === 0n &&
  (found.gpa === undefined || run.gpa === undefined || found.gpa - found.iova === run.gpa - run.iova);
