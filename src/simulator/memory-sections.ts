import { mapRun } from './container/map-step.ts';
import { carryOut } from './container/unmap-step.ts';
import type { MemorySection } from './machine.ts';
import { totalBytes } from './mapping-runs.ts';
import type { State } from './state.ts';
import type { Step } from './steps.ts';

/** Takes every section of system memory away from a container; see {@link removeMemorySection}. */
export function* removeMemorySections(state: State): Generator<Step> {
  for (const section of state.sections) yield* removeMemorySection(state, section);
}

/** Gives a container every section of system memory. */
export function* addMemorySections(state: State): Generator<Step> {
  for (const section of state.sections) yield* addMemorySection(state, section);
}

/**
 * The unmap when a section of system memory is taken away from a container.
 *
 * Until 10.2 it names no entry, so that its dirty bits are dropped. Since 11.0 that of a writable section names one while
 * dirty tracking runs; 11.0 credits its bits to the IOVA taken for a RAM address, which above 4 GiB is other memory.
 *
 * Models `vfio_listener_region_del` (hw/vfio/listener.c, QEMU 7.2 to 11.1).
 */
export function* removeMemorySection(state: State, section: MemorySection): Generator<Step> {
  const { regionDelBitmap } = state.machine.behaviours;
  const { gpa, size, readOnly } = section;
  yield { kind: 'section-del', region: 'memory', iova: gpa, size };
  yield* carryOut(state, {
    cause: 'section',
    iova: gpa,
    size,
    count: 1n,
    named: regionDelBitmap !== 'none' && state.tracking !== 'off' && !readOnly,
    readOnly,
    creditedBytes: (run) => (regionDelBitmap === 'ram' || gpa === section.ramAddress ? totalBytes([run]) : 0n),
  });
}

/**
 * The map when a section of system memory appears: one, whatever its size. QEMU gives up when it fails, unless the
 * section is a device's BAR, which only other devices would reach.
 *
 * Models `vfio_listener_region_add` (hw/vfio/listener.c, QEMU 7.2 to 11.1).
 */
export function* addMemorySection(
  state: State,
  { gpa, size, readOnly, vfioPci = false }: MemorySection,
): Generator<Step> {
  yield { kind: 'section-add', region: 'memory', iova: gpa, size };
  yield* mapRun(state, { iova: gpa, size, count: 1n, gpa }, 'section', { readOnly, deviceMemory: vfioPci });
}
