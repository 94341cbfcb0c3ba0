import { type Machine, react, stateIn, type TrackingStartStep } from '../simulator/index.ts';
import { choose, type Fact, map, record } from './fact.ts';
import type { Host } from './host.ts';
import { readMachine, type SimulatedContainer } from './machine.ts';
import type { Sections } from './sections.ts';
import type { Viommu } from './vm.ts';

/** What comes of it when a migration starts dirty tracking on a container whose devices see system memory. */
export function readTrackingStart(
  container: SimulatedContainer,
  viommu: Viommu | null,
  host: Host,
  sections: () => Fact<Sections>,
): Fact<TrackingStartStep> {
  const { loggingRanges, trackingStartFailure } = host.qemu;
  const facts = record({
    still: readMachine(container, viommu, host),
    tracks: record({ loggingRanges, trackingStartFailure }),
  });
  return choose(facts, ({ still, tracks }) =>
    map(sections(), ({ sections: mapped }) => {
      const behaviours = { ...still.behaviours, ...tracks };
      const machine: Machine = { ...still, behaviours, tracking: 'off', mappings: [], sections: mapped };
      const [step] = react(stateIn(machine, 'identity'), { type: 'tracking-start', by: 'migration' });
      if (step?.kind !== 'tracking-start') throw new Error('tracking starts with a step of its own');
      return step;
    }),
  );
}
