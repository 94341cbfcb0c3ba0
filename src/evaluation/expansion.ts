import { readMappings } from '../descriptor/machine.ts';
import type { EventDescriptor } from '../descriptor/simulation.ts';
import { type Machine, type MappingRun, type Viommu, isOnePiece } from '../simulator/index.ts';

/** Steps of an event beside those of mappings and sections: the pieces of both notifiers, of the widest vIOMMU. */
const PIECES = 64;

/** Unmaps, maps and queries that one run of mappings may come to in one event. */
const STEPS_A_RUN = 4;

/** Pieces that a mapping which is not a naturally aligned power of two may be cut into. */
const PIECES_A_MAPPING = 104;

/** Steps that `events` may come to at most, without running them: they grow with runs of mappings, not with mappings. */
export function expansionOf({ viommu, mappings, sections }: Machine, events: readonly EventDescriptor[]): number {
  let runs = runsOf(viommu, mappings);
  let plugged = sections.length;
  let steps = 0;
  for (const event of events) {
    if ('mappings' in event && event.mappings) runs += runsOf(viommu, readMappings(event.mappings));
    // An unmap may leave both ends of a run, a plug adds a section.
    if (event.type === 'unmap' || event.type === 'invalidate-pages') runs++;
    if (event.type === 'plug') plugged++;
    steps += PIECES + runs * STEPS_A_RUN + plugged * 2;
  }
  return steps;
}

/** virtio-iommu cuts each mapping by itself, unless all of a run are whole pieces. */
function runsOf({ model }: Viommu, mappings: readonly MappingRun[]): number {
  if (model !== 'virtio') return mappings.length;
  return mappings.reduce(
    (sum, { iova, size, count }) => sum + (isOnePiece(iova, size) ? 1 : Number(count) * PIECES_A_MAPPING),
    0,
  );
}
