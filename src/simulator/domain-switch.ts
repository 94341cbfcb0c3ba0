import { carryOut, type UnmapRequest, type UnmapStep } from './container/unmap-step.ts';
import type { Domain, Machine } from './machine.ts';
import { type MappingRun, MappingRuns } from './mapping-runs.ts';
import { intelNotifiers, removeIommuSections, tracksUnmaps, unmapNotifiers } from './viommu/intel.ts';
import { announce, type UnmapNotice } from './viommu/notifier.ts';
import { removeMemorySections } from './memory-sections.ts';

/** Part of a domain switch: what it asks VFIO to unmap. It may take out of the IOVA `tree` what it announces. */
type Pass = (machine: Machine, tree: MappingRuns) => Iterable<UnmapRequest>;

/**
 * What intel-iommu does for each switch, pass by pass, in QEMU's order; what is then mapped anew is not listed.
 *
 * A guest goes from one domain to another through blocking: the context entry is cleared first, and every notifier is
 * told to unmap even where it has just appeared and maps nothing.
 *
 * Models `vtd_switch_address_space` and `vtd_address_space_sync` (hw/i386/intel_iommu.c) with `vfio_listener_region_del`
 * (hw/vfio/listener.c), QEMU 7.2 to 11.1, as observed in 10.0.13 and 11.1.3.
 */
const intelPasses: { readonly [From in Domain]: { readonly [To in Domain]: readonly Pass[] } } = {
  dma: { blocking: [unmapNotifiers], identity: [unmapNotifiers, removeIommuSections], dma: [unmapNotifiers] },
  identity: {
    blocking: [removeMemorySections, unmapNewNotifiers],
    identity: [],
    dma: [removeMemorySections, unmapNewNotifiers],
  },
  blocking: { blocking: [], identity: [removeIommuSections], dma: [] },
};

/** With first-stage translation on iommufd the guest's tables are attached as they are, and nothing is unmapped. */
const passesOf = ({ viommu }: Machine, from: Domain, to: Domain): readonly Pass[] =>
  viommu.firstStage ? [] : intelPasses[from][to];

/** In scalable mode the notifiers that appear when identity ends are not told to unmap (observed in 11.1.3). */
function unmapNewNotifiers(machine: Machine, tree: MappingRuns): Iterable<UnmapRequest> {
  return machine.viommu.scalableMode ? [] : unmapNotifiers(machine, tree);
}

/** How a switch unmaps: the whole aperture, what the IOVA tree holds, whole sections, or nothing. */
export type Strategy = 'whole' | 'tracked' | 'per-mapping' | 'sections' | 'none';

/** A simulated switch: every unmap in order, and what the host still maps although the guest's domain no longer does. */
export interface Trace {
  readonly strategy: Strategy;
  readonly steps: readonly UnmapStep[];
  readonly leftMapped: readonly MappingRun[];
}

/** What QEMU does to the host's mappings when the guest moves a device's group `from` one domain `to` another. */
export function switchDomain(machine: Machine, from: Domain, to: Domain): Trace {
  const host = new MappingRuns(mappedIn(machine, from));
  const tree = new MappingRuns(from === 'dma' ? machine.mappings : []);
  const steps: UnmapStep[] = [];
  for (const pass of passesOf(machine, from, to)) {
    for (const request of pass(machine, tree)) steps.push(carryOut(machine, host, request));
  }
  return { strategy: strategyOf(machine, from, to), steps, leftMapped: [...host] };
}

/** What the host maps in a domain. Of a mapping that reaches into the interrupt window it maps what lies outside. */
function mappedIn(machine: Machine, domain: Domain): readonly MappingRun[] {
  switch (domain) {
    case 'dma':
      return machine.mappings.flatMap((run) =>
        intelNotifiers.flatMap((notifier) => [...announce(run, notifier)].map(mappingOf)),
      );
    case 'identity':
      return machine.sections.map(({ gpa, size }) => ({ iova: gpa, size, count: 1n, gpa }));
    case 'blocking':
      return [];
  }
}

/** The mappings that VFIO made when it heard of them. */
const mappingOf = ({ iova, size, count, translatedAddress }: UnmapNotice): MappingRun =>
  translatedAddress === undefined ? { iova, size, count } : { iova, size, count, gpa: translatedAddress };

function strategyOf(machine: Machine, from: Domain, to: Domain): Strategy {
  if (passesOf(machine, from, to).length === 0) return 'none';
  if (from === 'dma') return tracksUnmaps(machine.behaviours, machine.tracking) ? 'tracked' : 'whole';
  return 'sections';
}
